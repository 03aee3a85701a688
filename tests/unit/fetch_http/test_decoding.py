"""Content-Encoding is undone whatever way the bytes come in pieces, and bombs are stopped early."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tasks.fetch.http.decoding import DecodingFault, codings, decoded


def bare_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


ENCODERS: dict[str, list[Callable[[bytes], bytes]]] = {
    "gzip": [gzip.compress, lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:])],
    "deflate": [zlib.compress, bare_deflate],
    "br": [lambda data: brotli.compress(data, quality=4)],
    "zstd": [zstandard.compress, lambda data: zstandard.compress(data[:7]) + zstandard.compress(data[7:])],
}
EVERY = [(name, number) for name, encoders in ENCODERS.items() for number in range(len(encoders))]


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    start = 0
    for cut in sorted({cut % (len(data) + 1) for cut in cuts} | {len(data)}):
        yield data[start:cut]
        start = cut


def undo(data: bytes, name: str, cuts: list[int] | None = None, max_bytes: int = 1 << 30, ratio: int = 200) -> bytes:
    blocks = decoded(
        pieces(data, cuts or []), codings(name), encoded_bytes=len(data), max_bytes=max_bytes, max_ratio=ratio
    )
    return b"".join(blocks)


@pytest.mark.parametrize(("name", "number"), EVERY)
@given(data=st.binary(max_size=2000), cuts=st.lists(st.integers(0, 5000), max_size=6))
def test_what_was_encoded_comes_back_however_it_is_cut(name: str, number: int, data: bytes, cuts: list[int]) -> None:
    assert undo(ENCODERS[name][number](data), name, cuts) == data


@pytest.mark.parametrize("name", ENCODERS)
def test_large_answers_come_back_whole(name: str) -> None:
    dense = random.Random(1).randbytes(700_000)
    for data in (dense, dense[:1000] * 3000):
        whole = ENCODERS[name][0](data)
        assert undo(whole, name, list(range(0, len(whole), 65536)), ratio=10_000) == data


def test_two_codings_are_undone_in_the_right_order() -> None:
    assert undo(gzip.compress(brotli.compress(b"text" * 100)), "br, x-gzip") == b"text" * 100


@pytest.mark.parametrize("name", ENCODERS)
def test_a_cut_answer_is_a_fault(name: str) -> None:
    whole = ENCODERS[name][0](bytes(range(256)) * 40)
    for end in (0, 1, len(whole) // 2, len(whole) - 1):
        with pytest.raises(DecodingFault) as caught:
            undo(whole[:end], name)
        assert caught.value.reason == "broken_encoding"


@pytest.mark.parametrize("name", ENCODERS)
@given(data=st.binary(min_size=1, max_size=300), cuts=st.lists(st.integers(0, 300), max_size=3))
def test_arbitrary_bytes_raise_nothing_else(name: str, data: bytes, cuts: list[int]) -> None:
    try:
        undo(data, name, cuts)
    except DecodingFault as fault:
        assert fault.reason == "broken_encoding"


@pytest.mark.parametrize("name", ["br", "gzip", "zstd", "deflate"])
def test_a_bomb_is_stopped_by_its_ratio_within_little_memory(name: str) -> None:
    bomb = ENCODERS[name][0](bytes(16 << 20))
    seen = 0
    tracemalloc.start()
    with pytest.raises(DecodingFault) as caught:
        for block in decoded([bomb], [name], encoded_bytes=len(bomb), max_bytes=1 << 40, max_ratio=200):
            seen += len(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason == "decompression_bomb"
    assert seen <= max(1 << 20, 200 * len(bomb))
    assert peak < 24 << 20


def test_a_bomb_between_two_codings_is_stopped() -> None:
    inner = gzip.compress(b"") * 1_000_000
    with pytest.raises(DecodingFault) as caught:
        undo(gzip.compress(inner, 9), "gzip, gzip")
    assert caught.value.reason == "decompression_bomb"


def test_what_is_merely_large_is_named_so() -> None:
    with pytest.raises(DecodingFault) as caught:
        undo(gzip.compress(bytes(range(256)) * 40), "gzip", max_bytes=1000)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("header", ["compress", "gzip, gzip, gzip", "aes128gcm", "gzip;q=1"])
def test_codings_that_nobody_asked_for_are_refused(header: str) -> None:
    with pytest.raises(DecodingFault) as caught:
        codings(header)
    assert caught.value.reason == "content_encoding"
