"""Tokens per second and MFU of the 124 M GPT-2 shape on one CUDA device, of the models that a pipeline builds.

    python tests/benchmarks/gpu.py [--model gpt2|llama] [--batch 32] [--steps 40] [--json FILE]

Needs torch and transformers beside this repository. The loop is its own, not the trainer's: one process, bf16
autocast, context 1,024, blocks compiled, fused AdamW, random tokens. What is stated:

- FLOPs of a token: 6 × weights that multiply + 12 × layers × width × context (forward and backward, causality not
  taken off; Chowdhery et al., "PaLM", 2022, appendix B). Tables of embeddings do not multiply; the head, tied, does.
- Head: cross-entropy in chunks under compilation, logits never whole. Vocabulary 50,304, a multiple of 128.
- Peak: dense bf16 of the device, `--peak-tflops` for one not in the list.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[2]))

from schemas.architectures import Architecture
from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.models import build_model

VOCABULARY, CONTEXT, WIDTH, LAYERS, HEADS = 50_304, 1024, 768, 12, 12
PEAK_TFLOPS = {"H100": 989.4, "H200": 989.4, "A100": 312.0, "B200": 2250.0, "L40S": 362.0, "4090": 165.2}
"""Dense bf16, as their makers state (SXM forms)."""
CHUNKS = 8
"""Of the rows of a batch, one after the other through the head."""


def build(kind: Architecture, device: str = "cuda") -> Any:
    """Builds the model on a device, float32 weights, attention by PyTorch's fused kernels."""
    intermediate = 4 * WIDTH if kind == "gpt2" else 2048
    spec = ModelSpec(VOCABULARY, WIDTH, LAYERS, HEADS, HEADS, intermediate, CONTEXT, architecture=kind)
    return build_model(spec, seed=0).to(device)


def multiplying_weights(model: Any) -> int:
    """Counts weights of matrix products: all matrices but tables of positions; the tied head once."""
    tables = {id(model.get_input_embeddings().weight)}
    if hasattr(model.base_model, "wpe"):
        tables.add(id(model.base_model.wpe.weight))
    matrices: int = sum(p.numel() for p in model.parameters() if p.ndim == 2 and id(p) not in tables)
    head: int = model.get_output_embeddings().weight.numel()
    return matrices + head


def head_loss(hidden: torch.Tensor, head: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum of the negative log-likelihoods of a chunk of rows."""
    return F.cross_entropy((hidden @ head.T).float(), labels, reduction="sum")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["gpt2", "llama"], default="gpt2")
    parser.add_argument("--batch", type=int, default=32, help="rows of a forward pass")
    parser.add_argument("--accumulate", type=int, default=4, help="forward passes a step")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--peak-tflops", type=float)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no CUDA device is visible to torch: run this where there is one")
    device = torch.cuda.get_device_name()
    peak = arguments.peak_tflops or next((v for name, v in PEAK_TFLOPS.items() if name in device), None)
    if peak is None:
        sys.exit(f"no peak is known for {device}: state it with --peak-tflops")
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)
    model = build(arguments.model)
    for block in next(m for m in model.base_model.modules() if isinstance(m, torch.nn.ModuleList)):
        block.compile()
    loss_of = torch.compile(head_loss)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    rows = torch.randint(0, VOCABULARY, (arguments.batch, CONTEXT + 1), device="cuda")
    ids, labels = rows[:, :-1].contiguous(), rows[:, 1:].flatten()

    def step() -> None:
        for _ in range(arguments.accumulate):
            with torch.autocast("cuda", torch.bfloat16):
                hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state.flatten(0, 1)
                head = model.get_output_embeddings().weight
                pieces = zip(hidden.chunk(CHUNKS), labels.chunk(CHUNKS), strict=True)
                # Recomputed in the backward pass, so that no chunk's logits are kept.
                losses = [
                    torch.utils.checkpoint.checkpoint(loss_of, h, head, y, use_reentrant=False) for h, y in pieces
                ]
                loss = torch.stack(losses).sum() / (labels.numel() * arguments.accumulate)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(10):
        step()
    seconds = []
    for _ in range(arguments.steps):
        torch.cuda.synchronize()
        began = time.perf_counter()
        step()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    tokens = arguments.batch * CONTEXT * arguments.accumulate
    flops = 6 * multiplying_weights(model) + 12 * LAYERS * WIDTH * CONTEXT
    rate = tokens / statistics.median(seconds)
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "device": device,
        "model": arguments.model,
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": VOCABULARY,
        "context": CONTEXT,
        "tokens_per_step": tokens,
        "flops_per_token": flops,
        "tokens_per_second": round(rate),
        "fastest": round(tokens / min(seconds)),
        "mfu": round(rate * flops / (peak * 1e12), 4),
        "peak_tflops": peak,
        "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
        "torch": torch.__version__,
    }
    print(json.dumps(found, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
