"""generate, predict: try a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import DEFAULT_STORE, Json, StorePath, print_json, print_line
from schemas.errors import ConfigError

Model = Annotated[str, typer.Argument(help="A stage, a version, or a folder with a model in it.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Adds these commands to the application."""
    app.command()(generate)
    app.command()(predict)


def generate(
    model: Model,
    prompts: Annotated[list[str], typer.Argument(help="Texts to go on from, or to answer.", show_default=False)],
    max_new_tokens: Annotated[int, typer.Option(min=1, max=4096, help="Longest answer, in tokens.")] = 64,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token; 1 samples as learned.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    store: StorePath = DEFAULT_STORE,
    as_json: Json = False,
) -> int:
    """Let a model write.

    Example: nightmill generate finetune.summarise "Return the sum of the elements over the given axis."
    """
    from tasks.modeling.trying import generate_texts

    folder = _folder(model, store)
    outputs = generate_texts(folder, prompts, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    if as_json:
        print_json([{"prompt": prompt, "output": text} for prompt, text in zip(prompts, outputs, strict=True)])
        return 0
    for text in outputs:
        print_line(text)
    return 0


def predict(
    model: Model,
    texts: Annotated[list[str], typer.Argument(help="Texts to classify.", show_default=False)],
    store: StorePath = DEFAULT_STORE,
    as_json: Json = False,
) -> int:
    """Let a classifier label texts.

    Example: nightmill predict finetune.library "Compute the singular value decomposition."
    """
    from tasks.modeling.trying import predict_labels

    found = predict_labels(_folder(model, store), texts)
    if as_json:
        print_json(
            [
                {"text": text, "label": label, "probability": round(probability, 4)}
                for text, (label, probability) in zip(texts, found, strict=True)
            ]
        )
        return 0
    for label, probability in found:
        print_line(f"{label}  {probability:.3f}")
    return 0


def _folder(model: str, store: Path) -> Path:
    """The folder of a model that is named by its path, its stage or its version; its files are verified."""
    if (Path(model) / "config.json").is_file():
        return Path(model)
    from flows.lookup import find_artifact, open_store

    opened = open_store(store)
    manifest = find_artifact(opened, model)
    if "model" not in manifest.outputs:
        raise ConfigError(f"{manifest.node} holds no model", hint="name pretrain or a fine-tuning")
    for file in manifest.outputs["model"].files:
        opened.verified_path(file)
    return opened.view(manifest, "model")
