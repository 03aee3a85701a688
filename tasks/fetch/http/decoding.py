"""Undoing `Content-Encoding` in bounded memory, with an end to bombs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

BLOCK_BYTES = 64 * 1024
BOMB_BYTES = 1024**2
"""Up to here nothing is taken for a bomb: short texts of one repeated character compress very well."""

_MAX_CODINGS = 2
_MAX_WINDOW_BYTES = 8 * 1024**2
"""Of zstd in HTTP (RFC 9659)."""
_ZSTD_STEP_BYTES = 256
"""A block of zstd has at least 3 bytes and gives at most 128 KiB: so a step gives at most 11 MiB."""

ACCEPTED = "gzip, deflate, br, zstd"


class DecodingFault(Exception):
    """An answer cannot, or must not, be decompressed."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def codings(header: str) -> tuple[str, ...]:
    """Returns the codings of a `Content-Encoding`, in the order in which they are undone.

    Raises:
        DecodingFault: One is not known, or there are more than anyone uses.
    """
    names = [name.strip().lower().removeprefix("x-") for name in header.split(",")]
    found = tuple(name for name in reversed(names) if name not in ("", "identity"))
    unknown = [name for name in found if name not in _DECODERS]
    if unknown or len(found) > _MAX_CODINGS:
        raise DecodingFault("content_encoding", f"{header[:80]!r} is not one of {ACCEPTED}")
    return found


def decoded(
    blocks: Iterable[bytes], names: Sequence[str], *, encoded_bytes: int, max_bytes: int, max_ratio: int
) -> Iterator[bytes]:
    """Yields what encoded blocks hold.

    Args:
        blocks: The whole answer.
        names: As `codings` returns them.
        encoded_bytes: The length of the whole answer.
        max_bytes: The most that is yielded.
        max_ratio: How many times `encoded_bytes` may be yielded.

    Raises:
        DecodingFault: The data are damaged, too large or a bomb.
    """
    for name in names:
        blocks = _bounded(_DECODERS[name](blocks), max_bytes, max(BOMB_BYTES, encoded_bytes * max_ratio))
    yield from blocks


def _bounded(blocks: Iterator[bytes], max_bytes: int, bomb_bytes: int) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > bomb_bytes:
            raise DecodingFault("decompression_bomb", f"it decompresses to more than {bomb_bytes:,} bytes")
        if size > max_bytes:
            raise DecodingFault("too_large", f"it decompresses to more than {max_bytes:,} bytes")
        yield block


def _broken(error: Exception | str) -> DecodingFault:
    return DecodingFault("broken_encoding", str(error)[:200])


def _gzip(blocks: Iterable[bytes]) -> Iterator[bytes]:
    return _zlib(blocks, lambda _: zlib.decompressobj(zlib.MAX_WBITS | 16), members=True)


def _deflate(blocks: Iterable[bytes]) -> Iterator[bytes]:
    def fitting(start: bytes) -> zlib._Decompress:
        # The standard means zlib's format; many servers send the bare stream.
        has_header = len(start) > 1 and start[0] & 15 == 8 and int.from_bytes(start[:2], "big") % 31 == 0
        return zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)

    return _zlib(_with_two_bytes(blocks), fitting, members=False)


def _with_two_bytes(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Joins the first blocks until they tell the formats apart."""
    start = b""
    for block in blocks:
        start += block
        if len(start) > 1:
            yield start
            start = b""
    if start:
        yield start


def _zlib(blocks: Iterable[bytes], make: Callable[[bytes], zlib._Decompress], *, members: bool) -> Iterator[bytes]:
    decoder: zlib._Decompress | None = None
    for block in blocks:
        rest = block
        while rest:
            if decoder is None:
                decoder = make(rest)
            elif decoder.eof:
                if not members or not rest.startswith(b"\x1f"):
                    return  # padding after the end, which all readers pass over
                decoder = make(rest)
            try:
                piece = decoder.decompress(rest, BLOCK_BYTES)
            except zlib.error as error:
                raise _broken(error) from None
            if piece:
                yield piece
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    if decoder is None or not decoder.eof:
        raise _broken("it ends too early")


def _brotli(blocks: Iterable[bytes]) -> Iterator[bytes]:
    import brotli

    decoder = brotli.Decompressor()
    try:
        for block in blocks:
            if decoder.is_finished():
                return
            yield decoder.process(block, output_buffer_limit=BLOCK_BYTES)
            # It also holds output back when it says that it can take more.
            while piece := decoder.process(b"", output_buffer_limit=BLOCK_BYTES):
                yield piece
    except brotli.error as error:
        raise _broken(error) from None
    if not decoder.is_finished():
        raise _broken("it ends too early")


def _zstd(blocks: Iterable[bytes]) -> Iterator[bytes]:
    import zstandard

    context = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    decoder = context.decompressobj()
    started = False
    try:
        for block in blocks:
            for start in range(0, len(block), _ZSTD_STEP_BYTES):
                rest = block[start : start + _ZSTD_STEP_BYTES]
                while rest:
                    if decoder.eof:
                        decoder = context.decompressobj()
                    started = True
                    piece = decoder.decompress(rest)
                    if piece:
                        yield piece
                    rest = decoder.unused_data if decoder.eof else b""
    except zstandard.ZstdError as error:
        raise _broken(error) from None
    if not started or not decoder.eof:
        raise _broken("it ends too early")


_DECODERS: dict[str, Callable[[Iterable[bytes]], Iterator[bytes]]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
