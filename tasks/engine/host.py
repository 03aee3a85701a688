"""What kind of machine this is, as far as it decides results: told without importing torch."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

_TELLING_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@functools.cache
def host_class() -> str:
    """Returns the class of processor, such as `x86_64-amd-avx2-avx512f-avx512_bf16`, and of accelerator.

    Vector width changes the order of floating-point sums, and how fast bf16 is decides what precision
    `auto` means.
    """
    told: dict[str, str] = {}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            told.setdefault(name.strip(), value.strip())
    flags = (told.get("flags") or told.get("Features") or "").split()
    vendor = ["amd"] if told.get("vendor_id") == "AuthenticAMD" else []
    return "-".join([platform.machine(), *vendor, *(flag for flag in _TELLING_FLAGS if flag in flags), *_accelerator()])


def _accelerator() -> list[str]:
    """Returns `cuda` and the words of the first NVIDIA device's name, as its driver tells them; empty without one."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return []
    for told in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        name = next((line for line in told.read_text().splitlines() if line.startswith("Model:")), "Model:")
        return ["cuda", *name.partition(":")[2].lower().replace("-", " ").split()]
    return ["cuda"]


def high_water_mark(pid: int | str = "self") -> int:
    """Returns the most memory that a process ever held, in bytes; 0 where that cannot be told."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024
