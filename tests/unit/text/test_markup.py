"""Pages become the text that a reader sees."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.config.clean import HtmlConfig
from tasks.text.markup import html_to_text

CONFIG = HtmlConfig()

PAGE = """<!DOCTYPE html><html><head><title>json &mdash; Encoder</title><style>p { color: red }</style></head><body>
<header><a href="/">Home</a></header><nav><ul><li>Index</li></ul></nav>
<div role="main"><h1>JSON<a class="headerlink" href="#x">¶</a></h1>
<script>document.write("<p>never</p>")</script>
<p>Fast &amp; small:&nbsp;1 &lt; 2, caf&eacute; &#20013;&#x6587;.</p>
<pre>def f():
    return 1</pre></div>
<div role="navigation">next | previous</div><footer>Copyright</footer></body></html>"""


def test_only_the_main_content_stays_with_entities_resolved_and_code_as_it_stands() -> None:
    text = html_to_text(PAGE, CONFIG)
    assert text == "JSON\n\nFast & small:\xa01 < 2, café 中文.\n\ndef f():\n    return 1"


def test_the_whole_page_stays_on_demand() -> None:
    text = html_to_text(PAGE, HtmlConfig(main_content=False))
    assert "Home" in text and "Copyright" in text
    assert "never" not in text and "color" not in text


def test_a_chinese_page_keeps_its_short_items_and_closing_brackets() -> None:
    page = (
        "<html><head><title>帮助</title></head><body><h1>插入菜单</h1><p>选择「<b>插入</b> - 层」<br>然后确定。</p>"
        "<ul><li>一</li><li>二</li></ul><table><tr><td>甲</td><td>乙</td></tr></table>"
        "<p><ruby>漢<rp>(</rp><rt>hàn</rt><rp>)</rp></ruby>字</p></body></html>"
    )
    text = html_to_text(page, CONFIG)
    assert text.startswith("插入菜单\n\n选择「插入 - 层」\n然后确定。")
    assert "• 一\n" in text and "• 二\n" in text
    assert "甲\t乙" in text
    assert text.endswith("漢字")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("<th class='head'><p>位</p></th>\n<th><p>原因</p></th>", "位\t原因"),
        ("<td>\n  <p class='cell'>0</p>\n</td><td><p>G/<b>P</b></p></td>", "0\tG/P"),
        ("<td>0</td><td>G/P</td>", "0\tG/P"),
        ("<td><p>open<td><p>open too", "open\topen too"),
    ],
)
def test_rows_of_tables_stay_lines_whether_or_not_their_cells_hold_a_paragraph(row: str, expected: str) -> None:
    assert html_to_text(f"<table><tr>{row}</tr><tr><td>last</td></tr></table>", CONFIG) == f"{expected}\nlast"


def test_a_line_break_between_chinese_characters_is_no_space() -> None:
    page = (
        "<p>默认值是物理内存的一\n  半。\r\n「如果」\n太大 就\nuse less\nmemory</p>"
        "<pre>床前明月光\n疑是地上霜</pre>举头\n望明月"
    )
    assert html_to_text(page, CONFIG) == (
        "默认值是物理内存的一半。「如果」太大 就 use less memory\n\n床前明月光\n疑是地上霜\n举头望明月"
    )


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<title>A  title\n here</title><p>Body</p>", "A title here\n\nBody"),
        ("<title>Twice</title><h2>Twice</h2><p>Body</p>", "Twice\n\nBody"),
        ("<title>Alone</title>", ""),
        ("", ""),
        ("no markup, 1 < 2 & so on", "no markup, 1 < 2 & so on"),
        ("<p>one<p>two <b>bold<i>both</p>three", "one\n\ntwo boldboth\n\nthree"),
        ("<p hidden>no</p><p style='display:none'>no</p><p>yes</p>", "yes"),
        ("<!-- <p>no</p> --><p>yes</p>", "yes"),
        ("<article>one</article><article>two</article>", "one\ntwo"),
        ("<main></main><p>outside an empty main</p>", "outside an empty main"),
        ("<p>a\0b", "ab"),
        ("<div>" * 2000 + "deep" + "</div>" * 2000, "deep"),
    ],
)
def test_awkward_pages(page: str, expected: str) -> None:
    assert html_to_text(page, CONFIG) == expected


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from(list("<>/&;'\"= abpt中\0\n!-")) | st.characters(codec="utf-8"), max_size=80))
def test_no_page_is_too_broken_to_read(page: str) -> None:
    assert isinstance(html_to_text(page, CONFIG), str)
