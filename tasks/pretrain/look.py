"""Which weights a pretraining starts from, as a plan sees them: digests of files in a folder or in the store."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from schemas.config.pretrain import PretrainConfig
from schemas.config.start import FolderStart, ReferenceStart
from schemas.errors import ConfigError
from schemas.manifest import Manifest
from tasks.engine.stage import Look, Sight
from tasks.store.refs import Ref

NEEDED = ("config.json", "tokenizer.json")
WEIGHTS = ".safetensors"
READ = (*NEEDED, "model.safetensors.index.json")


def look(config: PretrainConfig, sight: Sight) -> Look:
    """Lists the files: `identity` is rows of [name, sha256], `detail` rows of [name, sha256, size].

    Raises:
        ConfigError: There is no such folder or model, or not all that a model consists of.
    """
    start = config.start
    if isinstance(start, FolderStart):
        rows = _in_folder(start.path, sight)
        return Look([row[:2] for row in rows], rows)
    if isinstance(start, ReferenceStart):
        manifest = _referred(start, sight)
        rows = [[file.name, file.digest, file.size] for file in manifest.outputs["model"].files if _is_read(file.name)]
        _check(start.reference, [str(row[0]) for row in rows])
        return Look([row[:2] for row in rows], rows, pins={start.reference: manifest.version})
    return Look(None, None)


def _in_folder(folder: Path, sight: Sight) -> list[list[str | int]]:
    if not folder.is_dir():
        raise ConfigError(
            "there is no such folder to start from",
            where=f"pretrain.start.path: {folder}",
            hint="give a Hugging Face folder; the path is relative to the configuration file",
        )
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and _is_read(path.name))
    _check(str(folder), names)
    try:
        return [[name, sight.digest(folder / name), (folder / name).stat().st_size] for name in names]
    except OSError as error:
        raise ConfigError(
            f"a file cannot be read: {error.strerror}", where=str(error.filename), hint="check its permissions"
        ) from None


def _referred(start: ReferenceStart, sight: Sight) -> Manifest:
    where = f"pretrain.start.reference: {start.reference}"
    record = sight.record(f"refs/{start.reference}")
    try:
        entries = [] if record is None else Ref.model_validate_json(record).entries
        found = [entry for entry in entries if start.version in ("", entry.version)]
        if not found:
            known = ", ".join(entry.version for entry in entries[-3:])
            raise ConfigError(
                f"nothing in this store has that name{' and version' if start.version else ''}",
                where=where,
                hint=f"its latest versions are {known}" if known else "`nightmill ls` shows what there is",
            )
        data = sight.record(f"artifacts/{found[-1].node}/{found[-1].version}/manifest.json")
        if data is None:
            raise ConfigError(f"version {found[-1].version} is no longer in this store", where=where)
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise ConfigError(f"its record cannot be read: {error.error_count()} faults", where=where) from None
    if "model" not in manifest.outputs:
        raise ConfigError(f"a {manifest.stage} publishes no model", where=where, hint="name a pretrain or a finetune")
    return manifest


def _is_read(name: str) -> bool:
    return name in READ or name.endswith(WEIGHTS)


def _check(where: str, names: list[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    missing += [] if any(name.endswith(WEIGHTS) for name in names) else ["model.safetensors"]
    if missing:
        raise ConfigError(
            f"no model to start from: {', '.join(missing)} is missing",
            where=where,
            hint="weights are read from safetensors only; `save_pretrained` of model and tokenizer writes all that",
        )
