"""Which distributions the quickstart reads, and how one is read: its files on disk, never an import.

The list is named, not "all that is installed", so that tools for development or other people's packages in the same
environment do not change the corpus. It holds what Nightmill itself needs to run, so every install has it.
"""

from __future__ import annotations

import csv
import email
import email.message
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_DOCUMENTED = """
    absl-py aiohappyeyeballs aiohttp aiosignal aiosqlite alembic altair amplitude-analytics annotated-doc
    annotated-types anyio apprise asgi-lifespan asyncpg attrs beartype brotli burner-redis cachetools certifi cffi
    charset-normalizer click cloudpickle colorama coolname cronsim cryptography cyclopts datasets datasketch dateparser
    defusedxml dill docker docstring-parser evaluate exceptiongroup fastapi fastwarc filelock frozenlist fsspec ftfy
    graphviz great-expectations greenlet griffe griffecli griffelib h11 h2 hf-xet hpack httpcore httpcore2 httpx httpx2
    huggingface-hub humanize hyperframe idna jinja2 jinja2-humanize-extension joblib jsonpatch jsonpointer jsonschema
    jsonschema-specifications lingua-language-detector llvmlite lxml mako markdown markdown-it-py markupsafe
    marshmallow mdurl mistune mpmath multidict multiprocess narwhals networkx nltk numba numpy oauthlib
    opentelemetry-api orjson packaging pandas pathspec pendulum pluggy polars polars-runtime-32 portalocker prefect
    prometheus-client propcache psutil py-key-value-aio pyarrow pycparser pydantic pydantic-core pydantic-extra-types
    pydantic-settings pydocket pygments pyparsing python-dateutil python-dotenv python-json-logger python-slugify pytz
    pyyaml readchar redis referencing regex requests requests-oauthlib resiliparse rfc3339-validator rich rich-rst
    rouge-score rpds-py ruamel-yaml ruamel-yaml-clib sacrebleu safetensors scipy semver sentencepiece setuptools
    shellingham six sniffio sqlalchemy starlette sympy tabulate text-unidecode tokenizers toml torch tqdm transformers
    truststore typer typing-extensions typing-inspection tzdata tzlocal uncalled-for urllib3 uvicorn wcwidth websockets
    xxhash yarl
"""
DOCUMENTED: tuple[str, ...] = tuple(_DOCUMENTED.split())
"""Whose READMEs, HTML pages and licence texts are read."""

DOCSTRINGS: dict[str, tuple[str, ...]] = {
    "datasets": ("datasets/",),
    "great-expectations": ("great_expectations/",),
    "huggingface-hub": ("huggingface_hub/",),
    "networkx": ("networkx/",),
    "nltk": ("nltk/",),
    "numpy": ("numpy/",),
    "pandas": ("pandas/",),
    "polars": ("polars/",),
    "prefect": ("prefect/",),
    "pyarrow": ("pyarrow/",),
    "pydantic": ("pydantic/",),
    "scipy": ("scipy/",),
    "sqlalchemy": ("sqlalchemy/",),
    "sympy": (
        "sympy/combinatorics/",
        "sympy/core/",
        "sympy/functions/",
        "sympy/geometry/",
        "sympy/integrals/",
        "sympy/matrices/",
        "sympy/ntheory/",
        "sympy/physics/",
        "sympy/sets/",
        "sympy/solvers/",
        "sympy/stats/",
    ),
    "torch": (
        "torch/_tensor",
        "torch/_torch_docs",
        "torch/autograd/",
        "torch/cuda/",
        "torch/distributed/",
        "torch/distributions/",
        "torch/functional",
        "torch/fx/",
        "torch/linalg/",
        "torch/nn/",
        "torch/optim/",
        "torch/special/",
        "torch/utils/",
    ),
    "transformers": (
        "transformers/data/",
        "transformers/generation/",
        "transformers/integrations/",
        "transformers/models/a",
        "transformers/models/b",
        "transformers/models/l",
        "transformers/models/t",
        "transformers/modeling_",
        "transformers/pipelines/",
        "transformers/processing_",
        "transformers/tokenization_",
        "transformers/train",
        "transformers/utils/",
    ),
}
"""Whose docstrings are read, and below which paths: sympy, torch and transformers whole would triple the time."""

LABELLED: tuple[str, ...] = ("networkx", "numpy", "pandas", "polars", "scipy", "sqlalchemy", "sympy", "torch")
"""Large libraries whose docstrings also make labelled sets; the classes of `library`."""

CHINESE: tuple[str, ...] = ("akshare", "chatterbot-corpus", "django", "spyder")
"""Read from the wheels beside the environment: the sources of Chinese texts and of translations."""

_LICENCES = {
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd license": "BSD",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit licence": "MIT",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "the mit license": "MIT",
    "the mit license (mit)": "MIT",
}
_NO_LICENCE = {"", "dual license", "none", "osi approved", "dfsg approved", "other/proprietary license", "unknown"}
_LONGEST_NAME = 40
"""A longer `License` field is the text of a licence, not its name."""


@dataclass(frozen=True)
class Distribution:
    """An installed distribution.

    Attributes:
        name: Normalised: lower case, dashes.
        version: As the name of its `.dist-info` folder states it.
        site: The folder that its files are relative to.
        info: Its `.dist-info` folder.
    """

    name: str
    version: str
    site: Path
    info: Path

    @property
    def origin(self) -> str:
        """How documents name it: `numpy 2.4.6`."""
        return f"{self.name} {self.version}"

    @cached_property
    def metadata(self) -> email.message.Message:
        """METADATA: headers, and the long description as payload."""
        path = self.info / "METADATA"
        return email.message_from_string(path.read_text("utf-8", "replace") if path.is_file() else "")

    @cached_property
    def licence(self) -> str:
        """The licence that the metadata state, an SPDX expression where that is clear; empty when unknown."""
        return licence_of(self.metadata)

    @property
    def description(self) -> str:
        """The long description, most often the README; empty if there is none."""
        return str(self.metadata.get_payload() or "").strip()

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Paths relative to `site` of all recorded files, sorted, "/"-separated."""
        record = self.info / "RECORD"
        if not record.is_file():
            return ()
        with record.open(encoding="utf-8", newline="") as file:
            return tuple(sorted({row[0] for row in csv.reader(file) if row and not row[0].startswith(("..", "/"))}))


def normalised(name: str) -> str:
    """Returns the one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(sites: Iterable[Path], pins: Mapping[str, str] | None = None) -> dict[str, Distribution]:
    """Finds distributions by the names of their `.dist-info` folders; the first site wins.

    Where a site has several versions, as pip leaves them in a `--target`, the pinned one is meant.

    Only folders are listed, so that the check whether anything changed takes milliseconds.
    """
    found: dict[str, Distribution] = {}
    for site in sites:
        here: dict[str, Distribution] = {}
        try:
            entries = sorted(entry.name for entry in os.scandir(site) if entry.name.endswith(".dist-info"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            name, _, version = entry.removesuffix(".dist-info").partition("-")
            if version and (normalised(name) not in here or version == (pins or {}).get(normalised(name))):
                here[normalised(name)] = Distribution(normalised(name), version, site, site / entry)
        found = here | found
    return found


def licence_of(metadata: email.message.Message) -> str:
    """Reads a licence from `License-Expression`, a short `License` field, or classifiers; empty when none says."""
    if expression := str(metadata.get("License-Expression") or "").strip():
        return expression
    lines = str(metadata.get("License") or "").strip().splitlines()
    first = lines[0].strip() if lines else ""
    if first.lower() in _LICENCES:
        return _LICENCES[first.lower()]
    if len(lines) == 1 and len(first) <= _LONGEST_NAME and first.lower() not in _NO_LICENCE:
        return first
    names = [
        str(value).rpartition("::")[2].strip()
        for value in metadata.get_all("Classifier", [])
        if str(value).startswith("License ::")
    ]
    known = {_LICENCES.get(name.lower(), name) for name in names if name.lower() not in _NO_LICENCE}
    return ", ".join(sorted(known))
