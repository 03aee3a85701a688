"""Credentials: named in a configuration, never held by one, and in nothing that is written or said."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from schemas.config.pipeline import PipelineConfig
from schemas.config.reading import check, parse
from schemas.config.remote_sources import DatasetsSource, SqlSource, UrlSource
from schemas.errors import ConfigError
from tasks.fetch.secrets import BLOT, redacted, resolve, resolve_all

PLANTED = "pla/nted+S3cret=="


def test_a_reference_leads_to_a_variable_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTMILL_TEST_SECRET", PLANTED)
    (tmp_path / "token.txt").write_text("another-secret\n")
    assert resolve("env:NIGHTMILL_TEST_SECRET", "options.secret") == PLANTED
    found = resolve_all({"a": [f"file:{tmp_path}/token.txt"], "b": "plain", "c": 3}, "options")
    assert found == {"a": ["another-secret"], "b": "plain", "c": 3}


@pytest.mark.parametrize("reference", ["env:NIGHTMILL_NOT_SET", "file:/nowhere/token"])
def test_a_reference_that_leads_nowhere_is_told_with_what_to_do(reference: str) -> None:
    with pytest.raises(ConfigError) as error:
        resolve(reference, "options.secret")
    assert error.value.where == "options.secret" and error.value.hint


def test_a_resolved_secret_is_blotted_out_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTMILL_TEST_SECRET", PLANTED)
    resolve("env:NIGHTMILL_TEST_SECRET", "x")
    for form in (PLANTED, quote(PLANTED, safe=""), base64.b64encode(PLANTED.encode()).decode()):
        assert redacted(f"401 for {form}!") == f"401 for {BLOT}!"


@pytest.mark.parametrize(
    "source",
    [
        "{type: url, url: 's3://me:PLANTED@bucket/x'}",
        "{type: url, url: 's3://bucket/x?X-Amz-Signature=PLANTED'}",
        "{type: url, url: 's3://bucket/x', options: {secret: PLANTED}}",
        "{type: url, url: 's3://bucket/x', options: {client_kwargs: {aws_session_token: PLANTED}}}",
        "{type: url, url: 's3://bucket/x', options: {client_kwargs: {endpoint_url: 'http://a:PLANTED@h'}}}",
        "{type: sql, url: 'postgresql://me:PLANTED@host/db', query: select 1}",
        "{type: sql, url: 'postgresql://host/db?password=PLANTED', query: select 1}",
        f"{{type: datasets, hub: a/b, revision: {'f' * 40}, token: PLANTED}}",
    ],
)
def test_a_literal_credential_is_refused_and_not_repeated(source: str) -> None:
    document = parse(f"name: x\nsnapshot:\n  sources:\n    web: {source}\n", "pipeline.yaml")
    assert check(document, PipelineConfig) is None
    assert len(document.faults) == 1 and document.faults[0].startswith("pipeline.yaml:4: snapshot.sources.web.")
    assert "PLANTED" not in document.faults[0]
    assert "env:NAME" in document.faults[0] or "URL with credentials" in document.faults[0]


def test_references_are_no_part_of_what_is_built_or_remembered(tmp_path: Path) -> None:
    sources = [
        UrlSource(type="url", url="s3://b/x", options={"key": "env:KEY", "secret": "file:secret.txt"}),
        DatasetsSource(type="datasets", hub="a/b", revision="0" * 40, token="env:HF_TOKEN_X"),
    ]
    for source in sources:
        placed = source.located(lambda path: tmp_path / path)
        assert "env:" not in json.dumps([placed.identity(), placed.fetching()])
        assert "secret.txt" not in json.dumps([placed.identity(), placed.fetching()])
    assert sources[0].located(lambda path: tmp_path / path).options["secret"] == f"file:{tmp_path}/secret.txt"
    assert "env:URL" not in json.dumps(SqlSource(type="sql", url="env:URL", query="select 1").identity())


def test_a_dataset_of_the_hub_without_a_pinned_revision_is_refused() -> None:
    for revision in (None, "main", "v1.0", "abc"):
        with pytest.raises(ValidationError, match=r"revision|40|pattern"):
            DatasetsSource(type="datasets", hub="owner/name", revision=revision)
