"""Every architecture keeps documents apart, is seeded, has the gradients of its own logits, and loads elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_models import VOCABULARY, WIDTH, rows_of_documents, toy_batch_of, toy_spec
from trained_models import write_tokenizer

from schemas.architectures import ARCHITECTURES, FAMILIES, Architecture
from schemas.errors import ConfigError, StageFailed
from schemas.tokens import BOS, EOS, PAD
from tasks.modeling.architectures.configs import DECODER_START
from tasks.modeling.artifacts import model_card, save_model
from tasks.modeling.attention import document_mask, places_of
from tasks.modeling.models import build_model, count_parameters, load_as_classifier, load_decoder, load_model

each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def logits(model: Any, batch: Any) -> torch.Tensor:
    """The model's own logits at every place of the batch's labels: float32[B, T, V]."""

    ids = batch["input_ids"]
    if "decoder_input_ids" in batch:
        sources, targets = batch["segments"], batch["decoder_segments"]
        hidden = model.get_encoder()(input_ids=ids, attention_mask=document_mask(sources, sources))
        # The class's own forward takes one mask for the encoder and for what looks at it, so its pieces are called.
        decoded = model.get_decoder()(
            input_ids=batch["decoder_input_ids"],
            attention_mask=document_mask(targets, targets, causal=True),
            encoder_hidden_states=hidden.last_hidden_state,
            encoder_attention_mask=document_mask(targets, sources),
            use_cache=False,
        ).last_hidden_state
        if model.config.model_type == "t5":
            return model.lm_head(decoded * model.config.d_model**-0.5)
        return model.lm_head(decoded) + model.final_logits_bias
    mask = {"attention_mask": document_mask(batch["segments"], batch["segments"])} if "segments" in batch else {}
    cached = {"use_cache": False} if model.config.model_type != "bert" else {}
    return model(input_ids=ids, position_ids=batch["position_ids"], **mask, **cached).logits


@each_architecture
def test_changing_one_document_of_a_row_never_changes_anothers_logits(architecture: Architecture) -> None:
    model = build_model(toy_spec(architecture), seed=0).eval()
    ids, segments = rows_of_documents(2)
    changed = ids.copy()
    changed[:, 9:15] = ids[:, 9:15][:, ::-1] + 1 - (ids[:, 9:15][:, ::-1] == VOCABULARY - 1)
    _, batch = toy_batch_of(architecture, ids, segments)
    _, other = toy_batch_of(architecture, changed, segments)
    with torch.no_grad():
        before, after = logits(model, batch), logits(model, other)
    at = batch.get("decoder_segments", torch.from_numpy(segments))
    assert torch.equal(at, other.get("decoder_segments", at))
    differs = (before != after).any(dim=-1)
    assert differs[at == 1].any()
    assert not differs[at == 0].any() and not differs[at == 2].any()


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "bert", "t5"])
def test_a_document_in_a_row_has_the_logits_it_has_alone(architecture: Architecture) -> None:
    """Not so with BART and Marian, whose classes count positions from the start of a row."""
    model = build_model(toy_spec(architecture), seed=0).eval()
    ids, segments = rows_of_documents(1)
    _, batch = toy_batch_of(architecture, ids, segments)
    alone = {}
    for name, row in batch.items():
        of_decoder = name.startswith("decoder_") or (name == "labels" and "decoder_segments" in batch)
        at = batch["decoder_segments"] if of_decoder else batch.get("segments", torch.from_numpy(segments))
        alone[name] = row[at == 1].unsqueeze(0)
    with torch.no_grad():
        packed = logits(model, batch)[batch.get("decoder_segments", torch.from_numpy(segments)) == 1]
        torch.testing.assert_close(logits(model, alone)[0], packed, atol=1e-5, rtol=1e-4)


@each_architecture
@pytest.mark.parametrize("settings", [{}, {"z_loss": 0.01, "label_smoothing": 0.1}])
def test_loss_and_gradients_equal_those_of_the_models_own_logits(
    architecture: Architecture, settings: dict[str, float]
) -> None:
    ours, theirs = (build_model(toy_spec(architecture), seed=0) for _ in range(2))
    if architecture in ("bart", "marian"):
        for model in (ours, theirs):
            model.final_logits_bias.copy_(torch.linspace(-1, 1, VOCABULARY))
    objective, batch = toy_batch_of(architecture, *rows_of_documents(3))
    loss: Any = objective(ours, batch, **settings)  # type: ignore[call-arg]
    loss.total.backward()
    counted = batch["labels"] >= 0
    values = logits(theirs, batch)[counted]
    total = torch.nn.functional.cross_entropy(
        values, batch["labels"][counted], reduction="sum", label_smoothing=settings.get("label_smoothing", 0.0)
    )
    total = total + settings.get("z_loss", 0.0) * values.logsumexp(-1).square().sum()
    total.backward()
    assert loss.count == int(counted.sum())
    assert int(loss.correct) == int((values.argmax(-1) == batch["labels"][counted]).sum())
    torch.testing.assert_close(loss.total, total)
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if b.requires_grad:
            assert b.grad is not None and a.grad is not None, name
            torch.testing.assert_close(a.grad, b.grad, atol=2e-5, rtol=1e-4, msg=lambda m, name=name: f"{name}: {m}")


@each_architecture
def test_padding_leaves_no_trace_and_every_gradient_is_a_number(architecture: Architecture) -> None:
    ids, segments = rows_of_documents(2)
    ids[1, 17:] = PAD  # the last block of a split: padding counts as a document of its own
    model = build_model(toy_spec(architecture), seed=0)
    objective, batch = toy_batch_of(architecture, ids, segments)
    loss = objective(model, batch)
    loss.total.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss.total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert not (batch["labels"] == PAD).any()


@each_architecture
def test_weights_follow_from_the_seed_and_ids_are_ours(architecture: Architecture) -> None:
    state = torch.get_rng_state()
    one, same, other = (build_model(toy_spec(architecture), seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.get_input_embeddings().weight, other.get_input_embeddings().weight)
    assert one.get_output_embeddings().weight is one.get_input_embeddings().weight
    config = one.config
    assert (config.pad_token_id, config.bos_token_id, config.eos_token_id) == (PAD, BOS, EOS)
    if architecture in DECODER_START:
        assert config.decoder_start_token_id == DECODER_START[architecture]
    assert one.config._attn_implementation == "sdpa"
    assert count_parameters(one) == sum(p.numel() for p in one.parameters() if p.requires_grad)


@each_architecture
def test_dropout_is_on_in_training_and_off_in_evaluation(architecture: Architecture) -> None:
    model = build_model(toy_spec(architecture, dropout=0.3), seed=0)
    objective, batch = toy_batch_of(architecture, *rows_of_documents(2))

    def loss() -> float:
        with torch.no_grad():
            return float(objective(model, batch).total)

    assert loss() != loss()
    model.eval()
    assert loss() == loss()


_BARE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tasks", "schemas", "flows", "deployments"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
import torch, transformers
for line in sys.stdin.read().splitlines():
    auto, folder = line.split(" ", 1)
    model, told = getattr(transformers, auto).from_pretrained(folder, output_loading_info=True)
    assert not any(told[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), told
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer) == model.config.vocab_size
    read = tokenizer("a list 一个列表", return_tensors="pt")["input_ids"]
    more = {"decoder_input_ids": read} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        assert model(input_ids=read, **more).logits.isfinite().all()
        if auto != "AutoModelForMaskedLM":
            assert model.generate(read, max_new_tokens=4, do_sample=False).shape[0] == 1
    print(float(sum(p.double().abs().sum() for p in model.parameters())))
"""


def test_models_load_in_a_process_that_has_only_torch_and_transformers(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path / "tokenizer")
    auto = {"decoder": "CausalLM", "encoder": "MaskedLM", "encoder-decoder": "Seq2SeqLM"}
    lines, sums = [], []
    for architecture in ARCHITECTURES:
        model = build_model(toy_spec(architecture, vocabulary=700, context_length=32), seed=0)
        save_model(model, tmp_path / architecture, tokenizer, model_card("A model", model, {}, "", ""))
        lines.append(f"AutoModelFor{auto[FAMILIES[architecture]]} {tmp_path / architecture}")
        sums.append(sum(float(p.detach().double().abs().sum()) for p in model.parameters()))
    done = subprocess.run(
        [sys.executable, "-c", _BARE],
        input="\n".join(lines),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [float(line) for line in done.stdout.split()] == pytest.approx(sums, rel=1e-12)


@each_architecture
def test_a_folder_loads_here_with_equal_weights_and_bytes(architecture: Architecture, tmp_path: Path) -> None:
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "tokenizer.json").write_text("{}")
    model = build_model(toy_spec(architecture), seed=0)
    card = model_card("A model", model, {}, "", "")
    assert {"t5": "T5-style", "gpt2": "GPT-2-style"}.get(architecture, "-style") in card
    save_model(model, tmp_path / "one", tokenizer, card)
    loaded = load_model(tmp_path / "one", dropout=0.0)
    save_model(loaded, tmp_path / "other", tokenizer, card)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes(), path.name


@each_architecture
def test_what_needs_a_decoder_says_so_of_others(architecture: Architecture, tmp_path: Path) -> None:
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "tokenizer.json").write_text("{}")
    save_model(build_model(toy_spec(architecture), seed=0), tmp_path / "model", tokenizer, "")
    if FAMILIES[architecture] == "decoder":
        load_decoder(tmp_path / "model")
        classifier = load_as_classifier(tmp_path / "model", ["a", "b"], seed=1)
        assert classifier(input_ids=torch.tensor([[BOS, 150, EOS]])).logits.shape == (1, 2)
        return
    for load in (lambda folder: load_decoder(folder), lambda folder: load_as_classifier(folder, ["a", "b"], seed=1)):
        with pytest.raises(ConfigError, match="the architecture does not suit") as failure:
            load(tmp_path / "model")
        assert "llama or gpt2" in failure.value.hint


def test_another_architecture_and_weights_that_are_code_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "opt"}')
    with pytest.raises(StageFailed, match="architecture opt"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(StageFailed, match="no model could be loaded"):
        load_model(tmp_path)


def test_positions_never_leave_the_row() -> None:
    _, segments = rows_of_documents(1)

    assert places_of(segments).max() < WIDTH
    assert np.array_equal(places_of(segments)[0], [*range(7), *range(10), *range(7)])
