"""Profiles in files, for commands: read and checked, every mistake named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson
from marshmallow import Schema, ValidationError

from app.rpa.profiles.schemas import ProfileSchema


def profile_of(file: Path) -> dict[str, Any]:
    """The profile in a JSON file; a ClickException names what is wrong with it."""
    return checked(ProfileSchema(), {}, file, within=None)


def checked(schema: Schema, about: dict[str, Any], file: Path, *, within: str | None = "profile") -> dict[str, Any]:
    """What a schema makes of a JSON file's document, put below ``within`` beside what else is known."""
    try:
        document = orjson.loads(file.read_bytes())
        loaded: dict[str, Any] = schema.load(document if within is None else about | {within: document})
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"{file} is not JSON: {error}") from None
    except ValidationError as error:
        raise click.ClickException("The profile breaks rules:\n" + _listed(error.messages)) from None
    return loaded


def _listed(messages: Any, path: str = "") -> str:
    if isinstance(messages, dict):
        return "\n".join(_listed(inner, f"{path}/{name}") for name, inner in messages.items())
    return "\n".join(f"  {path.removesuffix('/_schema')}: {text}" for text in messages)
