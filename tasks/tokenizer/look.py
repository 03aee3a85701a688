"""Finds the tokenizer that a configuration refers to, once, when a run is planned."""

from __future__ import annotations

from pydantic import ValidationError

from schemas.config.tokenizer import TokenizerConfig
from schemas.manifest import Manifest
from tasks.engine.stage import Look, Sight
from tasks.store.refs import Ref

_HINT = (
    "name PIPELINE/tokenizer or a version of this store (`nightmill ls` shows them), or leave"
    " `tokenizer.reuse.reference` out to go on with this pipeline's own"
)


def look_at_reference(config: TokenizerConfig, sight: Sight) -> Look:
    """Returns the files of the tokenizer that `reuse.reference` names; held if there is none in the store.

    Its content is the identity, not its name: a reference that moves to an equal tokenizer changes nothing.
    """
    reference = config.reuse.reference
    manifest = _manifest(reference, sight)
    if manifest is None:
        return Look({}, None, held=f"there is no tokenizer {reference!r} in this store", hint=_HINT)
    output = manifest.outputs["tokenizer"]
    lost = [file.name for file in output.files if not sight.holds(file.digest, file.size)]
    if lost:
        return Look({}, None, held=f"the tokenizer {reference!r} has lost {', '.join(lost)}", hint=_HINT)
    files = [{"name": file.name, "digest": file.digest, "size": file.size} for file in output.files]
    return Look({"tokenizer": output.digest}, files)


def _manifest(reference: str, sight: Sight) -> Manifest | None:
    node, version = "tokenizer", reference
    try:
        if "/" in reference:
            latest = Ref.model_validate_json(sight.record(f"refs/{reference}") or b"{}").latest
            if latest is None:
                return None
            node, version = latest.node, latest.version
        record = sight.record(f"artifacts/{node}/{version}/manifest.json")
        return None if record is None else Manifest.model_validate_json(record)
    except ValidationError:
        return None
