"""Trains the SentencePiece model.

The choices and why:

- BPE by default; `schemas.config.tokenizer` says what was measured.
- No normalisation and no space put before the text: `clean` has normalised already, and decoding gives the text back,
  indentation and line ends included. The one exception is `▁` (U+2581), which is how SentencePiece writes a space.
- Reserved pieces are control pieces, which SentencePiece never matches in a text.
- The lines hold no character but those that are to have a piece (`tasks.tokenizer.characters`): hence full coverage.
- One thread: the number of threads is written into the model, and 32 MiB take 4 s.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

from schemas.config.tokenizer import FEWEST_PIECES, TokenizerConfig
from schemas.errors import StageFailed
from schemas.tokens import BOS, EOS, PAD, RESERVED_PIECES, UNK
from tasks.tokenizer.pieces import with_exact_scores, with_normal_pieces

NEWLINE = "\n"

ALWAYS_COVERED = "".join(sorted({*"".join(RESERVED_PIECES), *"<0x>0123456789ABCDEF"}))
"""Characters that reserved and byte pieces are written with. As all of them have pieces, a text that spells `<s>` or
`<0x0A>` never costs unknown characters, and a low score is enough to keep Unigram from matching the piece itself."""


def train_model(lines: Iterable[str] | Iterable[bytes], config: TokenizerConfig) -> bytes:
    """Returns the trained model in SentencePiece's format.

    Raises:
        StageFailed: The text is too small for the vocabulary, or the vocabulary too small for the text's characters.
    """
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type=config.kind,
            vocab_size=config.vocab_size,
            character_coverage=1.0,
            required_chars=ALWAYS_COVERED,
            byte_fallback=True,
            split_digits=config.split_digits,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            pad_piece=RESERVED_PIECES[PAD],
            unk_piece=RESERVED_PIECES[UNK],
            bos_piece=RESERVED_PIECES[BOS],
            eos_piece=RESERVED_PIECES[EOS],
            control_symbols=list(RESERVED_PIECES[EOS + 1 :]),
            user_defined_symbols=[NEWLINE],
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True,
            max_sentence_length=config.max_sentence_length,
            input_sentence_size=0,
            shuffle_input_sentence=False,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise _explained(str(error), config.vocab_size) from error
    trained = with_normal_pieces(model.getvalue())
    return with_exact_scores(trained) if config.kind == "unigram" else trained


def _explained(message: str, vocab_size: int) -> StageFailed:
    """Turns the trainer's messages into advice."""
    where = "tokenizer.vocab_size"
    most = re.search(r"too high \(\d+\)\. Please set it to a value <= (\d+)", message)
    if most:
        return StageFailed(
            f"the training text yields no more than {most[1]} pieces, not {vocab_size}",
            where=where,
            hint=f"set it to at most {most[1]} (and above {FEWEST_PIECES}), or bring more text",
        )
    least = re.search(r"smaller than required_chars\. (\d+) vs (\d+)", message)
    if least:
        return StageFailed(
            f"{vocab_size} pieces do not hold the {FEWEST_PIECES} fixed ones and the text's characters",
            where=where,
            hint=f"set it to at least {least[2]}, or lower tokenizer.character_coverage: bytes spell the rest",
        )
    return StageFailed(
        f"SentencePiece cannot train: {message}", where="tokenizer", hint="is there any text in `train`?"
    )
