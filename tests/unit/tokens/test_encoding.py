"""Encoding plain text: exact, and never a way to a reserved id."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from token_stages import chinese_texts, english_texts, small_model, small_processor

from schemas.errors import DamagedArtifact
from schemas.tokens import RESERVED, RESERVED_PIECES
from tasks.tokens.encoding import Processor, encode_text, encode_texts, load_processor

MODEL_SPACE = "\u2581"


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Processor:
    return small_processor(tmp_path_factory.mktemp("tokenizer"))


@pytest.mark.parametrize("piece", [*RESERVED_PIECES[:14], "<sentinel_99>", "<spare_31>", "<0x0A>"])
def test_a_text_that_names_a_reserved_piece_is_plain_text(processor: Processor, piece: str) -> None:
    for text in (piece, f"say {piece}{piece}!", f"\n{piece}\n中文{piece}"):
        ids = encode_text(processor, text)
        assert min(ids) >= RESERVED
        assert processor.decode(ids) == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=MODEL_SPACE)))
def test_any_text_decodes_to_itself_and_meets_no_reserved_id(text: str) -> None:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_proto=small_model())
    ids = encode_text(processor, text)
    assert processor.decode(ids) == text
    assert all(place >= RESERVED for place in ids)


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    if x:\n\t\treturn  1  \n\n\n",
        "  leading and trailing  ",
        "Windows\r\nlines\r\n",
        "编译器返回一个列表，\u3000你好。𠮷",
        "😀👩\u200d👩\u200d👧 zero\u200bwidth \ufeff\u00a0",
        "2026-11-22 3.14159",
        "\x00\x07\x7f\x85\u2028",
        "",
    ],
)
def test_white_space_emoji_and_rare_characters_survive(processor: Processor, text: str) -> None:
    assert processor.decode(encode_text(processor, text)) == text


def test_digits_are_single_tokens(processor: Processor) -> None:
    assert len(encode_text(processor, "20261122")) == 8


def test_threads_do_not_change_the_ids(processor: Processor) -> None:
    texts = english_texts(30) + chinese_texts(30)
    one_by_one = [encode_text(processor, text) for text in texts]
    assert encode_texts(processor, texts, threads=1) == one_by_one
    assert encode_texts(processor, texts, threads=3) == one_by_one
    assert encode_texts(processor, [], threads=3) == []


def test_what_is_no_model_is_damage(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"no model")
    with pytest.raises(DamagedArtifact, match="not a SentencePiece model"):
        load_processor(tmp_path)


def test_reading_tokens_imports_only_numpy() -> None:
    heavy = "{'prefect', 'polars', 'pydantic', 'pyarrow', 'torch', 'transformers', 'sentencepiece'}"
    code = (
        "import sys, tasks.tokens.token_set, tasks.tokens.encoding, tasks.tokens.files\n"
        f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
