"""Wikimedia dumps: pages to text, Chinese variants, and XML that is broken or hostile."""

import bz2
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import faults, read, texts, wiki_dump, wiki_page

from tasks.readers.documents import Text
from tasks.readers.faults import Skip
from tasks.readers.wikitext import plain_text

NAME = "zhwiki-20260101-pages-articles.xml"


def test_articles_have_their_address(tmp_path: Path) -> None:
    dump = wiki_dump(
        wiki_page("北京", "'''北京'''是[[中国|中华人民共和国]]的[[首都]]。"),
        wiki_page("Talk:北京", "talk", namespace=1),
        wiki_page("Peking", "#REDIRECT [[北京]]", redirect=True),
        wiki_page("AC/DC (乐队)", "A &amp;amp; B &lt;b&gt;c&lt;/b&gt;"),
    )
    for data, name in ((dump, NAME), (bz2.compress(dump[:500]) + bz2.compress(dump[500:]), f"{NAME}.bz2")):
        found = read(tmp_path, name, data)
        assert [(one.text, one.origin, one.offset, one.date[:10]) for one in found if isinstance(one, Text)] == [
            ("北京是中华人民共和国的首都。", "https://zh.wikipedia.org/wiki/%E5%8C%97%E4%BA%AC", 0, "2026-01-02"),
            ("A & B c", "https://zh.wikipedia.org/wiki/AC/DC_(%E4%B9%90%E9%98%9F)", 3, "2026-01-02"),
        ]
        assert [one.reason for one in found if isinstance(one, Skip)] == ["namespace", "redirect"]
    assert len(texts(read(tmp_path, NAME, dump, wiki_namespaces=[0, 1]))) == 3


def test_of_a_page_with_its_history_the_last_revision_counts(tmp_path: Path) -> None:
    page = wiki_page("T", "old").replace("</page>", "<revision><text>new</text></revision></page>")
    assert texts(read(tmp_path, NAME, wiki_dump(page))) == ["new"]


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("a {{t|b={{u|c}}}} d", "a  d"),
        ("a<ref name=x>b {{c}} [[d]]</ref> e<ref name=x /> f", "a e f"),
        ("[[File:a.jpg|thumb|a [[b]] c]]d", "d"),
        ("[[Category:X]][[分类:某]][[fr:Paris]]a", "a"),
        ("[[:Category:X]] [[wikt:word|a word]]", "Category:X a word"),
        ("[[Mercury (planet)|]]", "Mercury"),
        ("[http://x.org label] [http://x.org] [[a|b [c] d]]", "label  b [c] d"),
        ("{|\n! a\n|-\n| b\n{|\n| c\n|}\n|}\nd", "d"),
        ("== A ==\n\n=== B ===\ntext\n== C ==\n", "A\n\nB\n\ntext"),
        ("* a\n** b\n# c\n: d\n;e", "- a\n- b\n- c\nd\ne"),
        ("a<!-- [[b -->c<br/>d<sub>2</sub>", "ac\nd2"),
        ("<nowiki>[[a]] {{b}}</nowiki> <math>x_{{1}}</math>", "[[a]] {{b}}"),
        ("'''''a''''' __NOTOC__b &nbsp;&lt;c&gt;", "a b \xa0<c>"),
        ("{{lang|de|Straße}} {{link-en|某人|Someone}} {{nowrap|a b}}", "Straße 某人 a b"),
        ("left {{open, [[and this", "left {{open, [[and this"),
        ("}} a ]] b |} c", "}} a ]] b |} c"),
    ],
)
def test_wikitext_becomes_prose(wikitext: str, text: str) -> None:
    assert plain_text(wikitext) == text


@pytest.mark.parametrize(
    ("wikitext", "simplified", "traditional"),
    [
        ("-{zh-hans:网络;zh-hant:網路}-", "网络", "網路"),
        ("-{zh-cn:网络; zh-tw:網路; zh-hk:網絡;}-", "网络", "網路"),
        ("-{zh:中}-x-{原样}-y", "中x原样y", "中x原样y"),
        ("-{T|zh-cn:a;zh-tw:b}--{H|zh-cn:a;zh-tw:b}-c", "c", "c"),
        ("-{A|zh-cn:程序;zh-tw:程式}-", "程序", "程式"),
        ("-{R|zh-cn:a}- -{zh-hans;zh-hant|b}-", "zh-cn:a b", "zh-cn:a b"),
        ("[[a|-{zh-cn:甲;zh-tw:乙}-]]", "甲", "乙"),
        ("}- -{zh-cn:a", "}- -{zh-cn:a", "}- -{zh-cn:a"),
    ],
)
def test_chinese_variants_are_resolved(wikitext: str, simplified: str, traditional: str) -> None:
    assert plain_text(wikitext, "zh-hans") == simplified
    assert plain_text(wikitext, "zh-hant") == traditional


def test_variants_are_markup_only_in_chinese_wikis(tmp_path: Path) -> None:
    page = wiki_page("T", "x-{a}-")
    assert texts(read(tmp_path, NAME, wiki_dump(page))) == ["xa"]
    assert texts(read(tmp_path, NAME, wiki_dump(page, language="en"))) == ["x-{a}-"]
    page = wiki_page("T", "-{zh-cn:网络;zh-tw:網路}-")
    assert texts(read(tmp_path, NAME, wiki_dump(page), wiki_variant="zh-tw")) == ["網路"]


@given(
    st.lists(
        st.sampled_from(
            [
                "{{",
                "}}",
                "[[",
                "]]",
                "{|",
                "|}",
                "-{",
                "}-",
                "[http://a",
                "]",
                "<ref>",
                "</ref>",
                "<ref/>",
                "<math>",
                "</math>",
                "<nowiki>",
                "</nowiki>",
                "<!--",
                "-->",
                "|",
                ":",
                "a",
                "中",
                "=",
                "\n",
                "''",
            ]
        )
    ).map("".join)
)
def test_no_markup_is_too_much(wikitext: str) -> None:
    for variant in ("", "zh-cn"):
        found = plain_text(wikitext, variant)
        assert "<!--" not in found and len(found) <= len(wikitext) + 20 * wikitext.count("\n")


def test_entities_and_document_types_are_refused(tmp_path: Path) -> None:
    laughs = '<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'
    found = read(tmp_path, NAME, wiki_dump(wiki_page("T", "&b;"), before=laughs))
    assert texts(found) == [] and faults(found) == [("", 0, "doctype")]
    outside = '<!DOCTYPE x SYSTEM "file:///etc/passwd">'
    assert faults(read(tmp_path, NAME, wiki_dump(wiki_page("T", "x"), before=outside))) == [("", 0, "doctype")]
    found = read(tmp_path, NAME, wiki_dump(wiki_page("T", "&b;"), wiki_page("U", "kept")))
    assert texts(found) == ["kept"] and faults(found) == [("", 1, "broken_xml")]


def test_a_broken_page_costs_no_other(tmp_path: Path) -> None:
    broken = wiki_page("B", "x").replace("</revision>", "</revisio>")
    found = read(tmp_path, NAME, wiki_dump(wiki_page("A", "one"), broken, "stray </page>", wiki_page("C", "two \x01")))
    assert texts(found) == ["one"] and faults(found) == [
        ("", 2, "broken_xml"),
        ("", 3, "broken_xml"),
        ("", 4, "broken_xml"),
    ]


def test_the_end_of_a_dump_may_be_missing(tmp_path: Path) -> None:
    dump = wiki_dump(wiki_page("A", "one"), wiki_page("B", "two"))
    found = read(tmp_path, NAME, dump[: dump.index(b"two")])
    assert texts(found) == ["one"] and faults(found) == [("", 2, "broken_xml")]
    found = read(tmp_path, NAME, dump[: dump.index(b"</mediawiki>")])
    assert texts(found) == ["one", "two"] and faults(found) == [("", 3, "broken_xml")]


def test_other_xml_and_no_xml_are_one_fault(tmp_path: Path) -> None:
    for data in (b"<html></html>", b"nothing", bytes(1000)):
        assert faults(read(tmp_path, NAME, data)) == [("", 0, "not_a_dump")]
    assert read(tmp_path, NAME, wiki_dump()) == []


def test_a_page_of_100_mb_is_passed_over_without_being_held(tmp_path: Path) -> None:
    dump = wiki_dump(wiki_page("A", "x" * (100 * 2**20)), wiki_page("B", "two"))
    tracemalloc.start()
    found = read(tmp_path, NAME, dump, max_record_bytes=2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert texts(found) == ["two"] and faults(found) == [("", 1, "page_too_large")]
    assert found[-1].origin == "https://zh.wikipedia.org/wiki/B"  # type: ignore[union-attr]
    assert peak < 20 * 2**20
