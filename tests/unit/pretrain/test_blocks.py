"""The blocks that pretraining reads: every token once an epoch, and each group of text by its weight."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.config.mixture import MixtureConfig
from schemas.errors import StageFailed
from schemas.tokens import IGNORED_LABEL
from tasks.pretrain.blocks import MixedBlocks, Weights, blocks_in_order, mixed_blocks
from tasks.tokens.files import TokenWriter
from tasks.tokens.token_set import TokenSet, open_token_set

LENGTH = 16
SOURCES = ("books", "manuals", "news")


def token_set(folder: Path, documents: int = 300) -> TokenSet:
    """Documents in which every text token tells its document; a sixth is Chinese."""
    draw = random.Random(0)
    pairs = [(folder / f"shard-{number}.bin", folder / f"shard-{number}.idx") for number in range(3)]
    for number, (tokens, index) in enumerate(pairs):
        with TokenWriter(tokens, index, 60_000) as writer:
            for document in range(number, documents, 3):
                ids = [1000 + document] * draw.randint(0, 60)
                language = "zh" if document % 6 == 0 else "en"
                writer.write(ids, language, 3 * len(ids), source=draw.choice(SOURCES))
    return open_token_set(pairs)


def labels(blocks: MixedBlocks, start: int, stop: int) -> Counter[int]:
    batch = blocks.batch(start, stop - start)["labels"]
    return Counter(batch[batch != IGNORED_LABEL].tolist())


def test_an_epoch_predicts_every_token_once_and_skips_none(tmp_path: Path) -> None:
    tokens = token_set(tmp_path)
    blocks = mixed_blocks("train", tokens, LENGTH, seed=1)
    expected = Counter(token for number in range(tokens.n_documents) for token in tokens.document(number)[1:].tolist())
    for epoch in (0, 1, 5):
        assert labels(blocks, epoch * blocks.count, (epoch + 1) * blocks.count) == expected
    assert blocks.n_tokens == tokens.n_tokens


def test_weights_of_one_change_nothing(tmp_path: Path) -> None:
    tokens = token_set(tmp_path)
    plain = mixed_blocks("train", tokens, LENGTH, seed=1)
    weighted = mixed_blocks("train", tokens, LENGTH, seed=1, weights=Weights(sources=dict.fromkeys(SOURCES, 1.0)))
    for name in ("input_ids", "labels", "position_ids"):
        assert plain.batch(0, 40)[name].equal(weighted.batch(0, 40)[name])


def test_a_batch_does_not_depend_on_how_it_is_asked_for(tmp_path: Path) -> None:
    blocks = mixed_blocks("train", token_set(tmp_path), LENGTH, seed=1, weights=Weights(languages={"en": 1, "zh": 2}))
    whole = blocks.batch(100, 8)["input_ids"]
    for place in range(8):
        assert blocks.batch(100 + place, 1)["input_ids"][0].equal(whole[place])


def test_languages_have_the_shares_that_are_asked_for(tmp_path: Path) -> None:
    tokens = token_set(tmp_path)
    blocks = mixed_blocks("train", tokens, LENGTH, seed=1, weights=Weights(languages={"en": 3, "zh": 1}))
    assert len(blocks.groups) == 2
    for start in (0, 12345):
        groups = [blocks.order.sample(place)[0] for place in range(start, start + 400)] if blocks.order else []
        assert abs(Counter(groups)[0] - 300) <= 1
    for _ in range(2):
        for block in blocks.blocks(0, 200):
            languages = {(int(token) - 1000) % 6 == 0 for token in block.input_ids if token >= 1000}
            assert len(languages) <= 1


def test_a_source_is_read_as_often_as_its_weight_says_and_all_of_it_before_any_again(tmp_path: Path) -> None:
    tokens = token_set(tmp_path)
    weights = Weights(sources={"books": 3, "news": 0})
    blocks = mixed_blocks("train", tokens, LENGTH, seed=1, weights=weights)
    books, news = (tokens.source_names.index(name) for name in ("books", "news"))
    length = blocks.groups[0].n_blocks(LENGTH) + 3 * blocks.groups[1].n_blocks(LENGTH)
    found = labels(blocks, 0, length)
    for number in range(tokens.n_documents):
        source = int(tokens.sources[number])
        times = {books: 3, news: 0}.get(source, 1)
        text = tokens.document(number)[1:-1].tolist()
        if text:
            assert found[text[0]] == times * len(text)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (Weights(sources={"letters": 2}), "no text of the source letters"),
        (Weights(sources=dict.fromkeys(SOURCES, 0.0)), "all sources have the weight 0"),
        (Weights(languages={"zh": 1}, sources={"books": 0, "manuals": 0, "news": 0}), "no zh text"),
    ],
)
def test_weights_without_text_are_explained(tmp_path: Path, weights: Weights, message: str) -> None:
    with pytest.raises(StageFailed, match=message):
        mixed_blocks("train", token_set(tmp_path), LENGTH, seed=1, weights=weights)


def test_a_split_that_fills_no_context_is_explained(tmp_path: Path) -> None:
    tokens = token_set(tmp_path, documents=3)
    with pytest.raises(StageFailed, match=r"\d+ tokens in 3 documents do not fill one context of 512"):
        mixed_blocks("train", tokens, 512, seed=1)
    one = tokens.select(tokens.lengths == tokens.lengths.max())
    with pytest.raises(StageFailed, match="tokens in 1 document do not fill"):
        blocks_in_order("valid", one, 512)
    assert blocks_in_order("valid", one, 8).count > 1  # longer than the context it is fine, also alone
    with pytest.raises(StageFailed, match="has no document") as caught:
        blocks_in_order("valid", tokens.select(tokens.lengths < 0), 8)
    assert caught.value.where == "valid"


@pytest.mark.parametrize("settings", [{"languages": {"fr": 1}}, {"languages": {"en": 0}}, {"sources": {"a": -1}}])
def test_impossible_weights_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MixtureConfig.model_validate(settings)
