"""From the text of a configuration file to a checked model, with every fault at once and each with its line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from schemas.config.references import LiteralSecret
from schemas.errors import ConfigError

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass
class Document:
    """A parsed configuration: plain values, and where each was written.

    Attributes:
        name: The file's name, for messages.
        data: The values, overrides applied.
        lines: Line of each place in the file, from 1.
        overridden: Places that were set on the command line.
        faults: What is wrong so far.
    """

    name: str
    data: Any
    lines: dict[Place, int] = field(default_factory=dict)
    overridden: set[Place] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def fault(self, place: Place, message: str, hint: str = "") -> None:
        """Notes a fault at a place of the configuration."""
        path = ".".join(map(str, place))
        if any(place[: len(known)] == known for known in self.overridden):
            where = f"--set {path}"
        else:
            known_places = [place[:length] for length in range(len(place), -1, -1) if place[:length] in self.lines]
            line = self.lines[known_places[0]] if known_places else 1
            where = f"{self.name}:{line}: {path}" if path else f"{self.name}:{line}"
        self.faults.append(f"{where}: {message}" + (f" ({hint})" if hint else ""))

    def raise_faults(self) -> None:
        """Raises a `ConfigError` with all faults, if there is one."""
        if self.faults:
            count = len(self.faults)
            raise ConfigError(
                "1 thing in the configuration is wrong"
                if count == 1
                else f"{count} things in the configuration are wrong",
                where=self.name,
                details=self.faults,
            )


def parse(text: str, name: str) -> Document:
    """Parses YAML (safe subset) and remembers the lines.

    Raises:
        ConfigError: It is no YAML, or no mapping.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        document = Document(name, None)
        if root is not None:
            # Before values are made of it, which writes merged keys (`<<`) into the nodes.
            _note_lines(root, (), document, set())
            document.data = loader.construct_document(root)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(
            f"is no YAML: {problem}", where=f"{name}:{line}", hint="check indentation and quotes"
        ) from None
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        # What looks like a date or a number and is none, such as 2026-02-30, fails without a place.
        raise ConfigError(f"holds a value that cannot be read: {error}", where=name, hint="put it in quotes") from None
    finally:
        loader.dispose()
    if not isinstance(document.data, dict):
        raise ConfigError("holds no settings", where=name, hint="`nightmill init DIR` writes an example")
    return document


def override(document: Document, assignments: list[str]) -> None:
    """Applies `a.b=value` assignments of the command line; values are read as YAML.

    Raises:
        ConfigError: An assignment has another form.
    """
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        keys = path.split(".")
        if not equals or not all(keys):
            raise ConfigError(f"{assignment!r} is no setting", where="--set", hint="write it like pretrain.steps=100")
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError):
            value = text
        target = document.data
        for key in keys[:-1]:
            if not isinstance(target.get(key), dict):
                target[key] = {}
            target = target[key]
        target[keys[-1]] = value
        document.overridden.add(tuple(keys))


def check(document: Document, model: type[Model]) -> Model | None:
    """Checks the values against a model; None if there are faults, which are then noted in the document."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            place: Place = tuple(found["loc"])
            _note_fault(document, model, place, found)
        return None


def _note_fault(document: Document, model: type[BaseModel], place: Place, found: Any) -> None:
    typed, place = place, tuple(key for key in place if not _is_tag(key))
    written = place
    while written and not _exists(document.data, written) and found["type"] != "missing":
        # pydantic names the members of unions in its path: they were not written by anybody.
        written = written[:-1]
    if found["type"] == "extra_forbidden":
        known = _fields(model, typed[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "known here: " + ", ".join(known)
        document.fault(place, "unknown setting", hint)
    elif found["type"] == "missing":
        document.fault(place, "is missing")
    else:
        message = str(found["msg"]).removeprefix("Value error, ")
        value = found.get("input")
        secret = isinstance(found.get("ctx", {}).get("error"), LiteralSecret)
        shown = f", not {value!r}" if isinstance(value, (str, int, float, bool)) and not secret else ""
        document.fault(written, f"{message[:1].lower()}{message[1:]}{shown}")


def _exists(data: Any, place: Place) -> bool:
    for key in place:
        in_list = isinstance(data, list) and isinstance(key, int) and key < len(data)
        if in_list or (isinstance(data, dict) and key in data):
            data = data[key]
        else:
            return False
    return True


def _fields(model: type[BaseModel], place: Place) -> list[str]:
    """Names of the settings that exist at a place of a model."""
    current: Any = model
    for key in place:
        if _is_tag(key):
            current = _tagged(current, str(key))
            continue
        models = _models(current)
        following = [
            info.annotation
            for found in models
            for name, info in found.model_fields.items()
            if key in (name, info.alias)
        ]
        if following:
            current = following[0]
        elif get_origin(_plain(current)) is dict:
            current = get_args(_plain(current))[1]
    return sorted({info.alias or name for found in _models(current) for name, info in found.model_fields.items()})


def _is_tag(key: str | int) -> bool:
    """Members of a union that are told apart by a tag have it in angle brackets, so that it is no name of a setting."""
    return isinstance(key, str) and key.startswith("<")


def _tagged(annotation: Any, tag: str) -> Any:
    """Returns the member of a union that bears a tag."""
    for member in get_args(_plain(annotation)):
        if any(getattr(mark, "tag", None) == tag for mark in getattr(member, "__metadata__", ())):
            return member
    return annotation


def _plain(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _models(annotation: Any) -> list[type[BaseModel]]:
    annotation = _plain(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return [model for member in get_args(annotation) for model in _models(member)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def _note_lines(node: Any, place: Place, document: Document, above: set[int]) -> None:
    document.lines.setdefault(place, node.start_mark.line + 1)
    if id(node) in above:
        raise ConfigError(
            "holds itself", where=f"{document.name}:{node.start_mark.line + 1}", hint="an alias must not lead upwards"
        )
    above = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        seen: set[Place] = set()
        for key, value in node.value:
            below = (*place, key.value) if isinstance(key.value, str) else place
            document.lines[below] = key.start_mark.line + 1
            if below in seen:
                document.fault(below, "is set twice")
            seen.add(below)
            _note_lines(value, below, document, above)
            if key.tag == "tag:yaml.org,2002:merge":
                _note_merged(value, place, document)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _note_lines(item, (*place, number), document, above)


def _note_merged(node: Any, place: Place, document: Document) -> None:
    """Keys that `<<` brings have the line they were written in, unless the mapping sets them itself."""
    for mapping in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        for key, _ in mapping.value if isinstance(mapping, yaml.MappingNode) else []:
            if isinstance(key.value, str):
                document.lines.setdefault((*place, key.value), key.start_mark.line + 1)
