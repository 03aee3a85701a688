from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployments.quickstart.docstrings import Docstring
from deployments.quickstart.examples import LONGEST_INPUT, Example, library, masked, shortened, split_summary, within

BODY = "The values are read in order, and those that are missing do not count towards the result at all. " * 3


def test_a_summary_and_a_body_are_split() -> None:
    assert split_summary(f"Return the mean of\nall values.\n\n{BODY}") == (
        "Return the mean of all values.",
        BODY.strip(),
    )
    assert split_summary(f"mean(a, axis=None)\n\nReturn the mean of a.\n\n{BODY}") == (
        "Return the mean of a.",
        BODY.strip(),
    )


def test_what_is_no_summary_in_words_is_left_out() -> None:
    for first in ("Mean.", "Mean of values\n==============", "Usage for this function is::", ".. deprecated:: 1.0 now"):
        assert split_summary(f"{first}\n\n{BODY}") is None
    assert split_summary(f"Return the mean of all values.\n\nReturn the mean of all values. {BODY}") is None
    assert split_summary("Return the mean of all values.\n\nShort.") is None


def test_names_and_aliases_of_libraries_are_masked() -> None:
    text = "import numpy as np\nnp.mean(x) and PyTorch, SciPy, torch_dtype, pd.Series"
    assert masked(text) == (
        "import LIBRARY as LIBRARY\nLIBRARY.mean(x) and LIBRARY, LIBRARY, LIBRARY_dtype, LIBRARY.Series"
    )


def test_an_input_that_two_libraries_share_appears_once() -> None:
    shared = Docstring("m.py", "m.f", "The same text in both.")
    assert library({"numpy": [shared], "scipy": [shared]}) == [Example("The same text in both.", "numpy", "en")]


@given(st.text(max_size=3 * LONGEST_INPUT))
def test_shortening_keeps_a_beginning_within_the_limit(text: str) -> None:
    short = shortened(text)
    assert len(short) <= LONGEST_INPUT and text.startswith(short)


@given(st.lists(st.text(min_size=1, max_size=30), unique=True), st.integers(0, 200), st.randoms())
def test_a_choice_of_docstrings_does_not_depend_on_their_order(texts: list[str], limit: int, random: object) -> None:
    items = [Docstring("m.py", f"m.f{number}", text) for number, text in enumerate(texts)]
    chosen = within(items, limit)
    random.shuffle(items)  # type: ignore[attr-defined]
    assert within(items, limit) == chosen
    assert sum(len(item.text) for item in chosen) <= limit
