"""The decoder keeps documents apart, is seeded, and is what transformers loads."""

from __future__ import annotations

import torch

from tasks.modeling.architectures.spec import ModelSpec
from tasks.modeling.models import build_model, count_parameters

SPEC = ModelSpec(vocabulary=50, hidden_size=16, layers=2, heads=2, kv_heads=1, intermediate_size=24, context_length=12)


def _logits(model: torch.nn.Module, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=ids, position_ids=positions, use_cache=False).logits


def test_changing_one_document_of_a_row_never_changes_anothers_logits() -> None:
    model = build_model(SPEC, seed=0).eval()
    ids = torch.arange(20, 32).unsqueeze(0)
    positions = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 0, 1, 2, 3]])
    before = _logits(model, ids, positions)
    changed = ids.clone()
    changed[0, 5:8] += 11  # the middle document
    after = _logits(model, changed, positions)
    assert torch.equal(before[:, :5], after[:, :5])
    assert torch.equal(before[:, 8:], after[:, 8:])
    assert not torch.equal(before[:, 5:8], after[:, 5:8])


def test_a_document_in_a_packed_row_has_the_logits_it_has_alone() -> None:
    model = build_model(SPEC, seed=0).eval()
    ids = torch.arange(20, 32).unsqueeze(0)
    packed = _logits(model, ids, torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6]]))
    alone = _logits(model, ids[:, 5:], torch.arange(7).unsqueeze(0))
    torch.testing.assert_close(packed[:, 5:], alone, atol=1e-6, rtol=1e-5)


def test_a_document_that_began_in_an_earlier_block_keeps_its_positions() -> None:
    model = build_model(SPEC, seed=0).eval()
    ids = torch.arange(20, 32).unsqueeze(0)
    later = _logits(model, ids, torch.arange(500, 512).unsqueeze(0))
    first = _logits(model, ids, torch.arange(12).unsqueeze(0))
    torch.testing.assert_close(later, first, atol=1e-4, rtol=1e-3)  # rotary positions are relative


def test_weights_follow_from_the_seed_and_leave_the_generator_alone() -> None:
    state = torch.get_rng_state()
    one, same, other = (build_model(SPEC, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)


def test_tied_embeddings_are_counted_once() -> None:
    model = build_model(SPEC, seed=0)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert count_parameters(model) == sum(p.numel() for p in model.parameters())
