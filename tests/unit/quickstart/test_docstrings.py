from __future__ import annotations

from deployments.quickstart.docstrings import is_prose, read_source, source_files, without_signature


def test_modules_classes_and_functions_are_named_by_their_place() -> None:
    source = '"""Of a."""\nclass C:\n    """Of C."""\n    async def m(self):\n        """Of m."""\n'
    found = {(item.name, item.text) for item in read_source(source, "a/b/__init__.py")}
    assert found == {("a.b", "Of a."), ("a.b.C", "Of C."), ("a.b.C.m", "Of m.")}


def test_docstrings_attached_later_are_read() -> None:
    source = (
        'add_newdoc("numpy", "zeros", "Of zeros.")\n'
        'add_newdoc("numpy", "ndarray", ("sum", "Of sum."))\n'
        'add_docstr(torch.abs, r"""Of abs.\n\nArgs:\n    {input}\n    x: {{a}}\n""".format(**shared))\n'
    )
    found = {item.name: item.text for item in read_source(source, "m.py")}
    assert found == {
        "numpy.zeros": "Of zeros.",
        "numpy.ndarray.sum": "Of sum.",
        "torch.abs": "Of abs.\n\nArgs:\n    x: {a}",
    }


def test_lines_that_a_library_fills_in_at_import_are_left_out() -> None:
    source = 'def f():\n    """Of f.\n\n    %(before_notes)s\n\n    More."""\n'
    assert "before_notes" not in next(read_source(source, "m.py")).text


def test_text_that_no_file_can_hold_is_left_out() -> None:
    assert not list(read_source('def f():\n    "half a pair: \\ud800"\n', "m.py"))


def test_tests_and_vendored_copies_are_not_sources() -> None:
    files = ["p/a.py", "p/tests/test_a.py", "p/_vendor/b.py", "p/c.pyi", "q/d.py"]
    assert source_files(files, ("p/",)) == ["p/a.py"]


def test_tables_and_rows_of_markup_are_not_prose() -> None:
    assert is_prose("Return the mean of the values.\n\nParameters\n----------\nvalues : array\n")
    assert not is_prose("=====  =====\nA      B\n=====  =====\n1      2\n3      4\n=====  =====")
    assert not is_prose("| a | b |\n|---|---|\n| one | two |\n| three | four |")
    assert is_prose("返回指定股票的所有历史数据。")


def test_a_leading_signature_is_removed() -> None:
    assert without_signature("abs(input, *, out=None) -> Tensor\n\nComputes it.") == "Computes it."
    assert without_signature("Computes it (twice).\n\nMore.") == "Computes it (twice).\n\nMore."
