"""A bare worker can load the trainer: nothing of Prefect, Polars, pyarrow or pydantic comes with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tasks.modeling

ROOT = Path(tasks.modeling.__file__).parents[2]
MODULES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for path in (ROOT / "tasks/modeling").rglob("*.py")
    if path.stem != "__init__"
)

_CODE = f"""
import sys
{chr(10).join(f"import {name}" for name in MODULES)}
found = sorted({{"prefect", "polars", "pyarrow", "pydantic"}} & set(sys.modules))
sys.exit(", ".join(found) or 0)
"""


def test_no_module_brings_more_than_torch_and_transformers() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
