"""What counts as personal data that was left, and what only looks like it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tasks.validate import residue


def found(text: str) -> dict[str, int]:
    counts = residue.count(pl.Series([text]), np.array([15], dtype=np.uint8))
    return {kind: int(count[0]) for kind, count in counts.items() if count[0]}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Ask li.wei+lists@mail.qq.com, or wang@263.net.", {"emails": 2}),
        ("请联系张三，电话13812345678，谢谢", {"phones": 1}),
        ("电话：+86 138-1234-5678", {"phones": 1}),
        ("13812345678 13912345678", {"phones": 1}),  # one match, as the numbers run into one another
        ("card 4111 1111 1111 1111 or 5500-0000-0000-0004", {"cards": 2}),
        ("银联卡6212345678901232使用", {"cards": 1}),
        ("身份证11010519491231002X。", {"resident_ids": 1}),
        ("pay to GB82 WEST 1234 5698 7654 32 today", {"ibans": 1}),
        ("DE89370400440532013000", {"ibans": 1}),
        ("the server 8.8.8.8 answers", {"ip_addresses": 1}),
    ],
)
def test_personal_data_is_found_in_both_languages(text: str, kinds: dict[str, int]) -> None:
    assert found(text) == kinds


@pytest.mark.parametrize(
    "text",
    [
        "someone@example.com, root@localhost, a@b, me@my.test",
        "4111 1111 1111 1112",  # wrong checksum
        "0000 0000 0000 0000",
        "身份证110105194912310021",  # wrong checksum
        "110105194913310024",  # no such month
        "0.13812345678 is a fraction, x13812345678 a name, 12345678901 no mobile",
        "ISBN 978-3-16-148410-0 and 1700000000000 ms",
        "GB82 WEST 1234 5698 7654 33",
        "127.0.0.1, 192.168.1.1, 10.0.0.3 and version 300.1.2.3",
        "邮箱<EMAIL>，电话<PHONE>",
        "git clone git@somewhere.org:owner/name, LIKE '%@somewhere.org'",
        "a count of 14118073569 bytes",
    ],
)
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert found(text) == {}


def test_texts_without_marks_are_not_looked_at() -> None:
    counts = residue.count(pl.Series(["a@b.org", "a@b.org"]), np.array([0, 1], dtype=np.uint8))
    assert counts["emails"].tolist() == [0, 1]
