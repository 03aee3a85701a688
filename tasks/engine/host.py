"""What kind of machine this is, as far as it decides results: told without importing torch."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

_TELLING_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@functools.cache
def host_class() -> str:
    """Returns the processor class, such as `x86_64-avx2-avx512f-avx512_bf16`.

    Vector width changes the order of floating-point sums, and native bf16 decides what precision `auto` means.
    """
    flags: set[str] = set()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith(("flags", "Features")):
                flags = set(line.split(":", 1)[1].split())
                break
    return "-".join([platform.machine(), *(flag for flag in _TELLING_FLAGS if flag in flags)])
