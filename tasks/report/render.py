"""Renders a run as one HTML file: no script, nothing fetched from anywhere, under 1 MB whatever the run was like.

Everything that stands in data is text here, never markup: the template escapes all of it, and a content security policy
in the page forbids scripts and requests should one ever slip through.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from schemas.manifest import Manifest, RunRecord
from tasks.report import charts, quantities
from tasks.report.bounds import ATTEMPTS, MAX_BYTES, Bounds, cut
from tasks.report.figures import Figures, Read
from tasks.report.funnel import levels, reasons
from tasks.report.overview import faults, stage_rows, verdict
from tasks.report.samples import evaluations, personal, rejects
from tasks.report.scoreboard import tasks
from tasks.report.tokenizers import tokenizer
from tasks.report.training import curves
from tasks.report.validation import validation

SETTINGS = 64
"""The settings may be so many times as long as another text."""

SHORT_DIGEST = 12

_FOLDER = Path(__file__).parent
_CONTROL = {code: "\N{REPLACEMENT CHARACTER}" for code in range(32) if chr(code) not in "\t\n\r"}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A row of the table of artifacts."""

    node: str
    version: str
    built: str
    outputs: list[tuple[str, str, int, float]]
    host_class: str
    commit: str
    libraries: str


def render(
    run: RunRecord,
    manifests: Mapping[str, Manifest],
    read: Read,
    previous: Mapping[str, Manifest] | None = None,
) -> str:
    """Returns the report of a run as HTML.

    Args:
        run: What the run did.
        manifests: Of the artifacts that the run made or found, by node; those of failed stages are simply absent.
        read: Returns the bytes of a stored file; may raise a `NightmillError` or `OSError`, which the report then says.
        previous: Manifests of an earlier run, whose scores are shown beside.
    """
    pages = (_render(run, manifests, read, previous or {}, bounds) for bounds in ATTEMPTS)
    page = next(pages)
    while len(page.encode()) >= MAX_BYTES and (smaller := next(pages, None)) is not None:
        page = smaller
    return page


def write_report(
    path: Path,
    run: RunRecord,
    manifests: Mapping[str, Manifest],
    read: Read,
    previous: Mapping[str, Manifest] | None = None,
) -> Path:
    """Writes the report, replacing an earlier one at once, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(render(run, manifests, read, previous), encoding="utf-8", newline="\n")
    temporary.replace(path)
    return path


def _render(
    run: RunRecord, manifests: Mapping[str, Manifest], read: Read, previous: Mapping[str, Manifest], bounds: Bounds
) -> str:
    figures = Figures(read)
    shown, scores = tasks(run, manifests, figures, previous, bounds)
    trained = curves(run, manifests, figures)
    validated = validation(manifests, figures, bounds)
    left_out = rejects(manifests, figures, bounds)
    without_manifest = [
        f"The manifest of {stage.node} {stage.version} is missing."
        for stage in run.stages
        if stage.version and stage.node not in manifests
    ]
    missing = [cut(line, bounds.text) for line in [*without_manifest, *figures.missing][: bounds.rows]]
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=quantities.count, size=quantities.size, duration=quantities.duration, moment=quantities.moment
    )
    page = environment.get_template("report.html.j2").render(
        run=run,
        verdict=verdict(run, scores),
        stages=stage_rows(run, manifests, bounds),
        faults=faults(run, bounds),
        levels=levels(manifests),
        reasons=reasons(manifests, bounds),
        rejects=left_out,
        personal=personal(manifests, bounds),
        evaluations=evaluations(manifests, bounds),
        validation=validated,
        tokenizer=tokenizer(manifests, bounds),
        curves=trained,
        tasks=shown,
        compared=bool(previous),
        artifacts=_artifacts(run, manifests, bounds),
        pins=list(run.pins.items())[: bounds.rows],
        settings=cut(json.dumps(run.settings, indent=2, sort_keys=True, ensure_ascii=False), SETTINGS * bounds.text),
        missing=missing,
        bar=charts.bar,
        cut=lambda text: cut(text, bounds.text),
    )
    return page.translate(_CONTROL).encode("utf-8", "replace").decode()


def _artifacts(run: RunRecord, manifests: Mapping[str, Manifest], bounds: Bounds) -> list[Artifact]:
    found = []
    for stage in run.stages[: bounds.rows]:
        manifest = manifests.get(stage.node)
        if manifest is None:
            continue
        outputs = [
            (name, output.digest[:SHORT_DIGEST], len(output.files), float(sum(file.size for file in output.files)))
            for name, output in list(manifest.outputs.items())[: bounds.lines]
        ]
        libraries = ", ".join(f"{name} {version}" for name, version in sorted(manifest.libraries.items()))
        found.append(
            Artifact(
                node=manifest.node,
                version=manifest.version,
                built=quantities.moment(manifest.started),
                outputs=outputs,
                host_class=manifest.host_class,
                commit=manifest.git_commit[:SHORT_DIGEST],
                libraries=cut(libraries, bounds.text),
            )
        )
    return found
