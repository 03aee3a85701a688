"""Writes the files with which `AutoTokenizer.from_pretrained` reads the tokenizer and gives SentencePiece's ids.

transformers reads a SentencePiece model itself, but not faithfully, so `tokenizer.json` is written here from the
model's pieces. SentencePiece's BPE joins, of all neighbours whose concatenation is a piece, those of the best score
first. As a list of merges that is: for every piece, best score first, each of its splits into two pieces. Control and
byte pieces take no part: they are never matched in a text.

Unigram's pieces go with their scores. The `tokenizers` library would match control and byte pieces in a text that
spells them, so theirs lie far below what any spelling in other pieces costs (`ALWAYS_COVERED` sees to it that there is
one).

`split_special_tokens` is on, so that "</s>" in a text is four characters here too and never the end of a document.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from schemas.tokens import BOS, CLS, EOS, MASK, PAD, RESERVED, RESERVED_PIECES, SEP, UNK
from tasks.tokens.encoding import MODEL_FILE, Processor

SPACE = "\u2581"
"""How SentencePiece writes a space."""

_NEVER = -1000.0
"""Score of what no text may match, below the lowest of the others. The longest such piece has 14 characters, each of
which alone costs about 20 at most; and sums of it keep the precision of the others."""

_NAMED = {
    "pad_token": PAD,
    "unk_token": UNK,
    "bos_token": BOS,
    "eos_token": EOS,
    "cls_token": CLS,
    "sep_token": SEP,
    "mask_token": MASK,
}


def write_folder(
    folder: Path, model: bytes, processor: Processor, model_max_length: int, kind: Literal["bpe", "unigram"] = "bpe"
) -> None:
    """Writes the tokenizer folder.

    Args:
        folder: An existing folder.
        model: The SentencePiece model.
        processor: The same, loaded.
        model_max_length: Longest input of the model that it is for, in tokens.
        kind: How the model cuts a text.
    """
    (folder / MODEL_FILE).write_bytes(model)
    names: dict[str, Any] = {name: RESERVED_PIECES[place] for name, place in _NAMED.items()}
    settings: dict[str, Any] = {
        **names,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model_max_length,
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
        "padding_side": "right",
    }
    extra = [piece for piece in RESERVED_PIECES if piece not in names.values()]
    _write(folder / "tokenizer.json", tokenizer_json(processor, kind))
    _write(folder / "tokenizer_config.json", {**settings, "additional_special_tokens": extra})


def tokenizer_json(processor: Processor, kind: Literal["bpe", "unigram"]) -> dict[str, Any]:
    """Returns the content of `tokenizer.json`, format 1.0 of the `tokenizers` library."""
    pieces = [processor.id_to_piece(place) for place in range(processor.get_piece_size())]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": place,
                "content": pieces[place],
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for place in range(RESERVED)
        ],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": _unigram(processor, pieces) if kind == "unigram" else _bpe(processor, pieces),
    }


def _bpe(processor: Processor, pieces: list[str]) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": RESERVED_PIECES[UNK],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": True,
        "ignore_merges": False,
        "vocab": {piece: place for place, piece in enumerate(pieces)},
        "merges": merges(processor),
    }


def _unigram(processor: Processor, pieces: list[str]) -> dict[str, Any]:
    scores = {place: processor.get_score(place) for place in range(len(pieces)) if _is_text(processor, place)}
    never = min(scores.values()) + _NEVER
    return {
        "type": "Unigram",
        "unk_id": UNK,
        "vocab": [(piece, scores.get(place, never)) for place, piece in enumerate(pieces)],
        "byte_fallback": True,
    }


def merges(processor: Processor) -> list[tuple[str, str]]:
    """Rebuilds the list of merges from the scores of the pieces; splits of one piece go by the ids of their halves."""
    ids = {
        processor.id_to_piece(place): place for place in range(processor.get_piece_size()) if _is_text(processor, place)
    }
    found: list[tuple[str, str]] = []
    for piece in sorted(ids, key=lambda piece: (-processor.get_score(ids[piece]), ids[piece])):
        splits = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        pairs = [(left, right) for left, right in splits if left in ids and right in ids]
        found += sorted(pairs, key=lambda pair: (ids[pair[0]], ids[pair[1]]))
    return found


def _is_text(processor: Processor, place: int) -> bool:
    """Whether a piece is matched in texts."""
    return not (processor.is_control(place) or processor.is_unknown(place) or processor.is_byte(place))


def _write(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
