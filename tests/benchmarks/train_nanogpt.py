"""GPT-2 and a plain training loop as nanoGPT is described: the reference that `bench_train.py` compares with.

Restated from the description of the model (Radford et al., 2019) and of the project: learned positions, layer norm
before attention and feed-forward, one projection for queries, keys and values, exact GELU, flash attention, no biases,
no dropout, a head tied to the embedding, and logits materialised; a loop that draws random windows of a memory-mapped
file, clips gradients at 1.0, steps AdamW and reads the loss each step. Needs torch and numpy alone.
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from train_turns import Finished, Turns


class Block(nn.Module):
    """Attention and feed-forward, each behind a norm and beside a residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width, bias=False)
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.projection = nn.Linear(width, width, bias=False)
        self.feed_forward_norm = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps float[B, T, width] to the same shape."""
        batch, length, width = x.shape
        parts = self.queries_keys_values(self.attention_norm(x)).split(width, dim=2)
        q, k, v = (part.view(batch, length, self.heads, width // self.heads).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.projection(mixed.transpose(1, 2).contiguous().view(batch, length, width))
        return x + self.down(F.gelu(self.up(self.feed_forward_norm(x))))


class GPT(nn.Module):
    """The whole model; `forward` returns the mean loss in nats."""

    def __init__(self, vocabulary: int, width: int, layers: int, heads: int, context: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                residual = name.endswith(("projection.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * layers) ** 0.5 if residual else 0.02)

    def forward(self, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Returns the mean negative log-likelihood of `labels`; both int64[B, T]."""
        x = self.tokens(ids) + self.positions(torch.arange(ids.size(1), device=ids.device))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), labels.view(-1), ignore_index=-1)


def build(settings: dict[str, Any]) -> GPT:
    """Builds the model of the settings `vocabulary`, `width`, `layers`, `heads`, `context`."""
    return GPT(*(settings[name] for name in ("vocabulary", "width", "layers", "heads", "context")))


def build_adamw(model: nn.Module, learning_rate: float, fused: bool | None) -> torch.optim.AdamW:
    """AdamW with weight decay of matrices alone."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), fused=fused)


class Windows:
    """Random windows of a file of uint16 tokens."""

    def __init__(self, path: Path, batch: int, context: int) -> None:
        self._path, self._batch, self._context = path, batch, context

    def __call__(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns inputs and labels, int64[B, T]; the file is mapped anew each time, as nanoGPT does."""
        data = np.memmap(self._path, dtype=np.uint16, mode="r")
        starts = torch.randint(len(data) - self._context, (self._batch,))
        ids = [torch.from_numpy(data[s : s + self._context].astype(np.int64)) for s in starts]
        labels = [torch.from_numpy(data[s + 1 : s + 1 + self._context].astype(np.int64)) for s in starts]
        return torch.stack(ids), torch.stack(labels)


def main() -> None:
    settings = json.loads(sys.argv[1])
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    model = build(settings)
    optimizer = build_adamw(model, settings["learning_rate"], True if settings["fused"] else None)
    windows = Windows(Path(settings["data"]) / "train.bin", settings["batch"], settings["context"])
    bf16 = settings["precision"] == "bf16"
    turns = Turns(settings)
    ids, labels = windows()
    try:
        while True:
            with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
                loss = model(ids, labels)
            ids, labels = windows()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            turns.step(loss.item())
    except Finished:
        pass


if __name__ == "__main__":
    main()
