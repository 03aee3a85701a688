"""The reserved ids are frozen: a change would silently break every model trained before."""

from schemas import tables, tokens


def test_the_ids_of_the_first_release_stand() -> None:
    assert tokens.RESERVED == 145
    assert tokens.RESERVED_PIECES[:15] == (
        *("<pad>", "<unk>", "<s>", "</s>", "<cls>", "<sep>", "<mask>", "<system>", "<user>", "<assistant>", "<end>"),
        *("<en>", "<zh>", "<sentinel_0>", "<sentinel_1>"),
    )
    assert list(range(7)) == [tokens.PAD, tokens.UNK, tokens.BOS, tokens.EOS, tokens.CLS, tokens.SEP, tokens.MASK]
    assert (tokens.SYSTEM, tokens.USER, tokens.ASSISTANT, tokens.END) == (7, 8, 9, 10)
    assert tokens.RESERVED_PIECES[tokens.FIRST_SENTINEL + 99] == "<sentinel_99>"
    assert tokens.RESERVED_PIECES[tokens.FIRST_SPARE :] == tuple(f"<spare_{number}>" for number in range(32))


def test_pieces_are_distinct() -> None:
    assert len(set(tokens.RESERVED_PIECES)) == tokens.RESERVED


def test_languages_have_the_same_order_everywhere() -> None:
    assert tokens.LANGUAGES == tables.LANGUAGES
    for language, place in tokens.LANGUAGE_TARGETS.items():
        assert tokens.RESERVED_PIECES[place] == f"<{language}>"
