"""Personal data goes, what only looks like it stays, and once is enough."""

from __future__ import annotations

import random
from pydoc_data.topics import topics

import personal_reference as reference
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text.personal import KINDS, PLACEHOLDERS, replace

PIECES = st.sampled_from(
    [
        "a@b.com",
        "git@host.org",
        "x.y",
        "@",
        "13800138000",
        "138 0013 8000",
        "010-62345678",
        "（010）62345678",
        "(010)",
        "(650) 253-0000",
        "+1",
        "+44 20 7946 0958",
        "+8613800138000",
        "86",
        "185.60.216.35",
        "1.2.3.4",
        "version ",
        "版本",
        "2400:cb00::1:2",
        "2001:db8::1",
        ":",
        "::",
        "4111111111111111",
        "4111 1111 1111 1111",
        "378282246310005",
        "DE89 3704 0044 0532 0130 00",
        "GB82WEST12345698765432",
        "11010519491231002X",
        "0",
        "9",
        "A",
        "x",
        " ",
        ".",
        "-",
        "/",
        "#",
        "_",
        "(",
        ")",
        "）",
        "（",
        "\n",
        "，",
        "电话",
        ">",
        "<",
        "+",
        "<EMAIL>",
        "<PHONE>",
        "<IP>",
        "<CARD>",
        "<IBAN>",
        "<ID>",
    ]
)
TEXTS = st.lists(PIECES, max_size=10).map("".join) | st.text(
    st.sampled_from(list("01234 .-+()@:aFxZ_/中>")), max_size=30
)


def replaced(text: str, kinds: tuple[str, ...] = KINDS, **settings: bool) -> str:
    return replace(pl.Series([text]), kinds, **settings)[0][0]


@settings(max_examples=600, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_what_is_found_agrees_with_plain_expressions_and_replacing_twice_changes_nothing(texts: list[str]) -> None:
    once, counts = replace(pl.Series(texts), KINDS)
    assert once.to_list() == [reference.replace(text) for text in texts]
    twice, again = replace(once, KINDS)
    assert twice.to_list() == once.to_list()
    assert again.sum_horizontal().sum() == 0
    for row, text in enumerate(texts):
        kinds = [kind for _, _, kind in reference.find(text)]
        assert counts.row(row) == tuple(kinds.count(kind) for kind in KINDS)


def test_real_texts_with_and_without_personal_data_agree_with_plain_expressions() -> None:
    draw = random.Random(1)
    planted = [
        "mail a.b@c.org now",
        "tel. +1 (415) 555-2671",
        "身份证11010519491231002X。",
        "at 8.8.4.40,",
        "4111-1111-1111-1111",
    ]
    texts = [topics[name] for name in sorted(topics)]
    texts = [text[:500] + draw.choice(planted) + text[500:] for text in texts]
    assert replace(pl.Series(texts), KINDS)[0].to_list() == [reference.replace(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to jane.doe+x@mail.example.org.", "Write to <EMAIL>."),
        ("邮箱：zhang_san@qq.com，电话：13800138000。", "邮箱：<EMAIL>，电话：<PHONE>。"),
        ("手机 138-0013-8000 或 +86 138 0013 8000、8613800138000", "手机 <PHONE> 或 <PHONE>、<PHONE>"),
        ("座机 010-62345678，（0755）2634567，(021) 6234 5678", "座机 <PHONE>，<PHONE>，<PHONE>"),
        ("Call +1 650-253-0000, (650) 253-0000 or +44 (0)20 7946 0958.", "Call <PHONE>, <PHONE> or <PHONE>."),
        ("from 185.60.216.35:443 and http://93.184.216.34/x", "from <IP>:443 and http://<IP>/x"),
        ("2606:2800:220:1:248:1893:25c8:1946, 2a00:1450:4001:81b::200e", "<IP>, <IP>"),
        ("card 4111 1111 1111 1111, 378282246310005, 6212345678901232", "card <CARD>, <CARD>, <CARD>"),
        ("DE89 3704 0044 0532 0130 00; GB82WEST12345698765432", "<IBAN>; <IBAN>"),
        ("身份证号11010519491231002X，440524188001010014", "身份证号<ID>，440524188001010014"),
    ],
)
def test_personal_data_is_replaced(text: str, expected: str) -> None:
    assert replaced(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "user@localhost and root@db",
        "@decorator\n@app.route('/x')\ndef f(): ...",
        "git@github.com:owner/name.git, icon@2x.png, getty@tty1.service, package@1.2.3",
        "version 185.60.2.3, v2.34.56.78, Release: 45.60.70.80, 版本：45.60.70.80, 1.2.3.4, 1.2.3.4.5, 45.60.70.80-1",
        "127.0.0.1, 192.168.100.1, 10.20.30.40, 203.0.113.77, 256.1.1.1, 045.60.70.80",
        "12:34:56, 2023-01-02T10:11:12, 2023:10:11, 00:1a:2b:3c:4d:5e, std::vector, Abc::Def, 2001:db8::1",
        "2023-01-02 10:11, 20230102101112, 1700000000, 1700000000123",
        "ISBN 978-0-306-40615-7, 978-7-302-51263-9, 0-306-40615-2",
        "order 4111111111111112, #13800138000, /13800138000, 202301021234567",
        "0.4111111111111111, 3.14159265358979323846, x4111111111111111",
        "d41d8cd98f00b204e9800998ecf8427e 13800138000f 6b86b273ff34fce19d6b804eff5a3f57",
        "+1 2, C++11 12345678, a+1234567890, 1+11",
        "110105194912310021, 11010519491331002X, 990105194912310029",
        "DE00 3704 0044 0532 0130 00, ZZ89370400440532013000, AB12",
        "<EMAIL> <PHONE> <IP> <CARD> <IBAN> <ID>",
        "床前明月光，疑是地上霜。",
        "",
    ],
)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert replaced(text) == text


def test_each_kind_can_be_left_alone() -> None:
    samples = (
        "a@b.org",
        "13800138000",
        "185.60.216.35",
        "4111111111111111",
        "GB82WEST12345698765432",
        "11010519491231002X",
    )
    text = " ; ".join(samples)
    for place, kind in enumerate(KINDS):
        expected = list(samples)
        expected[place] = PLACEHOLDERS[place]
        assert replaced(text, (kind,)) == " ; ".join(expected)


def test_private_addresses_go_on_demand() -> None:
    text = "192.168.100.1 10.0.0.1 fe80::1:2 fd00::1:2:3"
    assert replaced(text, public_addresses_only=False) == "<IP> <IP> <IP> <IP>"
