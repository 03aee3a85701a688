"""The folder that `AutoTokenizer` reads gives SentencePiece's ids, on everything."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from token_stages import chinese_texts, english_texts, small_model, small_processor

from schemas.tokens import BOS, EOS, FIRST_SENTINEL, MASK, PAD, RESERVED, RESERVED_PIECES
from tasks.tokenizer.hugging_face import write_folder
from tasks.tokens.encoding import encode_text, load_processor


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    kind = request.param
    write_folder(folder, small_model(kind), small_processor(folder, kind), model_max_length=100_000, kind=kind)
    return folder


def awkward_lines() -> list[str]:
    """Runs of one character, where several merges lead to the same piece, and what tokenizers stumble over."""
    draw = random.Random(0)
    runs = ["".join(draw.choice("-=_* a.\n0") * draw.randint(1, 30) for _ in range(4)) for _ in range(1500)]
    mixed = ["".join(draw.choice("tehin -=的一 \n") for _ in range(draw.randint(1, 50))) for _ in range(1500)]
    written = [
        "<s>a</s>",
        "<mask><pad>中",
        "<0x0A>",
        "\u2581a \u2581\u2581",
        "\r\n\t😀\u200d\u3000",
        " a  b ",
        "\ufeff\x00",
    ]
    return runs + mixed + written + [f"x{piece}y" for piece in RESERVED_PIECES]


def test_auto_tokenizer_gives_the_ids_of_sentencepiece_on_every_line(folder: Path) -> None:
    from transformers import AutoTokenizer

    texts = english_texts(700) + chinese_texts(300)
    lines = [line for text in texts for line in text.split("\n")] + texts + awkward_lines()
    assert len(lines) > 8000
    processor, tokenizer = load_processor(folder), AutoTokenizer.from_pretrained(folder)
    expected = [encode_text(processor, line) for line in lines]
    different = [
        line
        for line, ids, found in zip(lines, expected, tokenizer(lines)["input_ids"], strict=True)
        if ids != found or tokenizer.decode(found) != processor.decode(ids)
    ]
    assert different == []


def test_it_stays_the_same_in_the_folder_of_a_llama_model_and_when_saved_again(folder: Path, tmp_path: Path) -> None:
    import shutil

    from transformers import AutoTokenizer, LlamaConfig

    model = tmp_path / "model"
    shutil.copytree(folder, model)
    LlamaConfig(vocab_size=700).save_pretrained(model)
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path / "again")
    processor = load_processor(folder)
    for place in (model, tmp_path / "again"):
        tokenizer = AutoTokenizer.from_pretrained(place)
        for line in ["  a </s><sentinel_3>\n中文", *awkward_lines()[:200]]:
            assert tokenizer(line)["input_ids"] == encode_text(processor, line)


def test_special_tokens_and_lengths_are_known_to_transformers(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (PAD, BOS, EOS)
    assert tokenizer.mask_token_id == MASK
    assert len(tokenizer) == 700
    assert tokenizer.model_max_length == 100_000
    assert sorted(tokenizer.all_special_ids) == list(range(RESERVED))
    assert tokenizer.convert_ids_to_tokens(FIRST_SENTINEL) == "<sentinel_0>"
    text = tokenizer("good 中文")["input_ids"]
    assert tokenizer.decode([BOS, *text, FIRST_SENTINEL, EOS], skip_special_tokens=True) == "good 中文"
