from __future__ import annotations

import email
from pathlib import Path

import pytest

from deployments.quickstart.distributions import CHINESE, DOCSTRINGS, DOCUMENTED, LABELLED, installed, licence_of
from deployments.quickstart.environment import REQUIREMENTS

from .conftest import write_distribution


@pytest.mark.parametrize(
    "headers, licence",
    [
        ("License-Expression: BSD-3-Clause AND MIT\nLicense: no", "BSD-3-Clause AND MIT"),
        ("License: Apache 2.0 License", "Apache-2.0"),
        ("License: MIT Licence\n        \n        Copyright (c) somebody", "MIT"),
        (
            "License: Copyright (c) Somebody\n        All rights\nClassifier: License :: OSI Approved :: BSD License",
            "BSD",
        ),
        ("License: Dual License\nClassifier: License :: OSI Approved :: MIT License", "MIT"),
        ("Classifier: License :: DFSG approved\nClassifier: License :: OSI Approved :: MIT License", "MIT"),
        ("License: UNKNOWN", ""),
        ("Classifier: License :: OSI Approved", ""),
        ("Summary: says nothing", ""),
    ],
)
def test_a_licence_is_read_from_the_field_that_says_it(headers: str, licence: str) -> None:
    assert licence_of(email.message_from_string(f"Metadata-Version: 2.1\n{headers}\n\n")) == licence


def test_distributions_are_found_by_their_normalised_name_and_the_first_site_wins(tmp_path: Path) -> None:
    write_distribution(tmp_path / "a", "Great_Expectations", "1.0", {"great_expectations/__init__.py": ""})
    write_distribution(tmp_path / "b", "great-expectations", "2.0", {})
    found = installed([tmp_path / "nothing", tmp_path / "a", tmp_path / "b"])
    assert found["great-expectations"].origin == "great-expectations 1.0"
    assert "great_expectations/__init__.py" in found["great-expectations"].files


def test_the_pinned_version_is_meant_where_several_were_left(tmp_path: Path) -> None:
    for version in ("1.10", "1.2", "1.3"):
        write_distribution(tmp_path, "akshare", version, {})
    assert installed([tmp_path], {"akshare": "1.2"})["akshare"].version == "1.2"


def test_the_lists_agree_with_each_other_and_with_the_requirements() -> None:
    assert set(LABELLED) <= set(DOCSTRINGS) <= set(DOCUMENTED)
    assert not set(CHINESE) & set(DOCUMENTED)
    pins = dict(line.split("==") for line in REQUIREMENTS.read_text("utf-8").split())
    assert sorted(pins) == sorted(CHINESE)
