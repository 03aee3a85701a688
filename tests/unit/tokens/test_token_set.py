"""Blocks: what training reads from token files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DamagedArtifact, StageFailed
from schemas.tokens import BOS, EOS, IGNORED_LABEL, PAD
from tasks.tokens.files import TokenWriter, token_dtype
from tasks.tokens.token_set import TokenSet, open_token_set

Shards = list[list[list[int]]]
shards_of_documents = st.lists(
    st.lists(st.lists(st.integers(145, 60_000), max_size=12), max_size=5), min_size=1, max_size=4
)
context_lengths = st.integers(1, 17)


def token_set(folder: Path, shards: Shards, vocabulary: int = 60_001) -> TokenSet:
    pairs = [(folder / f"shard-{number}.bin", folder / f"shard-{number}.idx") for number in range(len(shards))]
    for (tokens, index), documents in zip(pairs, shards, strict=True):
        with TokenWriter(tokens, index, vocabulary) as writer:
            for document in documents:
                language = "zh" if len(document) % 2 else "en"
                writer.write(document, language, 3 * len(document), source=f"source {len(document) % 3}")
    return open_token_set(pairs)


@given(shards_of_documents)
def test_documents_come_back_as_written_whatever_shard_they_are_in(shards: Shards) -> None:
    documents = [document for shard in shards for document in shard]
    with tempfile.TemporaryDirectory() as folder:
        read = token_set(Path(folder), shards)
        assert [read.document(number).tolist() for number in range(read.n_documents)] == [
            [BOS, *document, EOS] for document in documents
        ]
        assert read.n_tokens == sum(len(document) + 2 for document in documents)
        assert read.text_bytes.tolist() == [3 * len(document) for document in documents]
        assert read.languages.tolist() == [len(document) % 2 for document in documents]
        assert [read.source_names[place] for place in read.sources] == [f"source {len(d) % 3}" for d in documents]


@given(shards_of_documents, context_lengths)
def test_every_token_is_predicted_once_but_the_first_of_each_document(shards: Shards, context_length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read = token_set(Path(folder), shards)
        blocks = [read.block(index, context_length) for index in range(read.n_blocks(context_length))]
        predicted = [label for block in blocks for label in block.labels.tolist() if label != IGNORED_LABEL]
        assert predicted == [
            token for number in range(read.n_documents) for token in read.document(number)[1:].tolist()
        ]


@given(shards_of_documents, context_lengths)
def test_blocks_are_the_stream_with_positions_that_restart_at_each_document(
    shards: Shards, context_length: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read = token_set(Path(folder), shards)
        blocks = [read.block(index, context_length) for index in range(read.n_blocks(context_length))]
        documents = [read.document(number) for number in range(read.n_documents)]
        stream = [(int(token), place) for document in documents for place, token in enumerate(document)]
        inputs = [pair for block in blocks for pair in zip(block.input_ids, block.position_ids, strict=True)]
        read_from_files = max(len(stream) - 1, 0)
        assert inputs[:read_from_files] == stream[:read_from_files]
        padding = inputs[read_from_files:]
        assert len(padding) < context_length
        assert padding == [(PAD, place) for place in range(len(padding))]
        for block in blocks:
            assert len(block.input_ids) == len(block.labels) == len(block.position_ids) == context_length


@given(shards_of_documents, context_lengths, st.data())
def test_altering_a_document_leaves_every_block_without_it_alone(
    shards: Shards, context_length: int, data: st.DataObject
) -> None:
    """Holds for edits of equal length; others shift what follows in the stream, and nothing before it."""
    places = [(shard, place) for shard, documents in enumerate(shards) for place in range(len(documents))]
    if not places:
        return
    shard, place = data.draw(st.sampled_from(places))
    edited = [list(documents) for documents in shards]
    edited[shard][place] = [145 + (token + 1) % 1000 for token in shards[shard][place]]
    number = places.index((shard, place))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        before, after = token_set(Path(one), shards), token_set(Path(other), edited)
        end = int(before.document_ends[number])
        start = end - len(before.document(number))
        for index in range(before.n_blocks(context_length)):
            if (index + 1) * context_length < start or index * context_length >= end:
                was, now = before.block(index, context_length), after.block(index, context_length)
                for name in ("input_ids", "labels", "position_ids"):
                    np.testing.assert_array_equal(getattr(was, name), getattr(now, name))


@given(shards_of_documents, context_lengths)
def test_how_documents_are_spread_over_shards_changes_no_block(shards: Shards, context_length: int) -> None:
    together = [[document for shard in shards for document in shard]]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        spread, joined = token_set(Path(one), shards), token_set(Path(other), together)
        assert spread.n_blocks(context_length) == joined.n_blocks(context_length)
        for index in range(spread.n_blocks(context_length)):
            a, b = spread.block(index, context_length), joined.block(index, context_length)
            assert a.input_ids.tolist() == b.input_ids.tolist()
            assert a.labels.tolist() == b.labels.tolist()
            assert a.position_ids.tolist() == b.position_ids.tolist()


@given(shards_of_documents, context_lengths, st.data())
def test_some_of_the_documents_are_the_set_that_holds_nothing_but_them(
    shards: Shards, context_length: int, data: st.DataObject
) -> None:
    documents = [document for shard in shards for document in shard]
    chosen = data.draw(st.lists(st.booleans(), min_size=len(documents), max_size=len(documents)))
    alone = [[document for document, kept in zip(documents, chosen, strict=True) if kept]]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        selected = token_set(Path(one), shards).select(np.array(chosen, dtype=bool))
        expected = token_set(Path(other), alone)
        assert selected.n_tokens == expected.n_tokens
        assert selected.text_bytes.tolist() == expected.text_bytes.tolist()
        assert selected.languages.tolist() == expected.languages.tolist()
        assert [selected.document(n).tolist() for n in range(selected.n_documents)] == [
            expected.document(n).tolist() for n in range(expected.n_documents)
        ]
        assert selected.n_blocks(context_length) == expected.n_blocks(context_length)
        for index in range(expected.n_blocks(context_length)):
            a, b = selected.block(index, context_length), expected.block(index, context_length)
            for name in ("input_ids", "labels", "position_ids"):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_set_of_no_files_has_no_blocks() -> None:
    empty = open_token_set([])
    assert (empty.n_documents, empty.n_tokens, empty.n_blocks(8)) == (0, 0, 0)
    with pytest.raises(IndexError):
        empty.block(0, 8)


@pytest.mark.parametrize(("vocabulary", "bytes_per_token"), [(8192, 2), (1 << 16, 2), ((1 << 16) + 1, 4)])
def test_tokens_take_two_bytes_while_the_vocabulary_fits(tmp_path: Path, vocabulary: int, bytes_per_token: int) -> None:
    last = vocabulary - 1
    read = token_set(tmp_path, [[[last, last]]], vocabulary)
    assert token_dtype(vocabulary).itemsize == bytes_per_token == read.dtype.itemsize
    assert (tmp_path / "shard-0.bin").stat().st_size == 4 * bytes_per_token
    assert read.document(0).tolist() == [BOS, last, last, EOS]


def test_an_id_outside_the_vocabulary_is_refused_and_never_wrapped(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        token_set(tmp_path, [[[1 << 16]]], vocabulary=8192)


def test_files_of_the_same_documents_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        token_set(tmp_path / name, [[[200, 300], []]])
    for file in ("shard-0.bin", "shard-0.idx"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_an_index_of_a_later_format_is_refused_with_a_hint(tmp_path: Path) -> None:
    token_set(tmp_path, [[[200]]])
    index = tmp_path / "shard-0.idx"
    index.write_bytes(index.read_bytes().replace(b"NMTOKENS\2", b"NMTOKENS\3", 1))
    with pytest.raises(StageFailed, match="format 3"):
        open_token_set([(tmp_path / "shard-0.bin", index)])


@pytest.mark.parametrize("name", ["shard-0.bin", "shard-0.idx"])
def test_a_truncated_file_is_damage(tmp_path: Path, name: str) -> None:
    token_set(tmp_path, [[[200, 201, 202]]])
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DamagedArtifact, match="do not hold"):
        open_token_set([(tmp_path / "shard-0.bin", tmp_path / "shard-0.idx")])
