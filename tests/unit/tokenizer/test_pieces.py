"""Rewriting a model in place changes scores and the newline, and nothing else."""

from __future__ import annotations

import io

import sentencepiece
from token_stages import small_model

from schemas.config.tokenizer import TokenizerConfig
from tasks.tokenizer.pieces import SCORE_STEP, with_exact_scores


def loaded(model: bytes) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def test_scores_become_multiples_of_the_step_and_move_by_half_of_it_at_most() -> None:
    processor = loaded(small_model("unigram"))
    scores = [processor.get_score(place) for place in range(processor.get_piece_size())]
    assert len(set(scores)) > 100
    assert all((score / SCORE_STEP).is_integer() for score in scores)

    text = [b"a house", b"the house", b"the mouse and the house"] * 20
    raw = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_writer=raw, vocab_size=30, minloglevel=2, hard_vocab_limit=False
    )
    before, after = loaded(raw.getvalue()), loaded(with_exact_scores(raw.getvalue()))
    assert before.get_piece_size() == after.get_piece_size()
    for place in range(before.get_piece_size()):
        assert before.id_to_piece(place) == after.id_to_piece(place)
        assert abs(before.get_score(place) - after.get_score(place)) <= SCORE_STEP / 2
    assert any(before.get_score(place) != after.get_score(place) for place in range(before.get_piece_size()))


def test_the_newline_is_a_piece_like_any_other() -> None:
    for kind in ("bpe", "unigram"):
        processor = loaded(small_model(kind))
        newline = processor.piece_to_id("\n")
        assert processor.encode("a\n\nb").count(newline) == 2
        assert not processor.is_control(newline)
    assert TokenizerConfig().kind == "bpe"
