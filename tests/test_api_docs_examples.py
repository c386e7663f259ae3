"""Examples of the OpenAPI document: there are some for every operation, and they keep the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from tests.servers import on_sqlite
from tests.test_access import doors
from tests.test_api_docs_answers import Document

JSON: Final = "application/json"

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


@pytest.fixture
def document(client: FlaskClient) -> Document:
    return Document(client)


def resolved(document: Document, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its reference followed; what stands beside the reference takes precedence."""
    named = schema.get("$ref")
    return document.schema(named.rsplit("/", 1)[-1]) | schema if named else schema


def sample(document: Document, schema: dict[str, Any]) -> Any:
    """What a page of documentation shows of a schema: its first example, else what its parts make."""
    schema = resolved(document, schema)
    if "examples" in schema:
        return schema["examples"][0]
    for known in ("const", "default"):
        if known in schema:
            return schema[known]
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        return {name: sample(document, part) for name, part in schema["properties"].items()}
    if "items" in schema:
        return [sample(document, schema["items"])]
    return "boolean" in schema.get("type", []) or None


def shown(document: Document, content: dict[str, Any]) -> Any:
    """What is shown of a body."""
    return content["example"] if "example" in content else sample(document, content["schema"])


def bare(document: Document, schema: dict[str, Any], where: str) -> Iterator[str]:
    """Where a schema has texts, numbers or plain objects without an example, itself or by reference."""
    schema = resolved(document, schema)
    if "properties" in schema:
        for name, part in schema["properties"].items():
            yield from bare(document, part, f"{where}.{name}")
    elif "examples" in schema or "enum" in schema or "boolean" in schema.get("type", []):
        return
    elif "items" in schema:
        yield from bare(document, schema["items"], f"{where}[]")
    else:
        yield where


def test_the_example_of_every_request_keeps_the_rules_of_its_schema(app: Flask, document: Document) -> None:
    operations, refused, tried = document.operations(), {}, 0
    for rule, method, view in doors(app):
        parameters = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", [])
        for schema in (one["schema"] for one in parameters if one["in"] == "json"):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
            body = shown(document, operations[path, method]["requestBody"]["content"][JSON])
            with app.test_request_context():
                problems = (schema() if isinstance(schema, type) else schema).validate(body)
            tried += 1
            if problems or not body:
                refused[f"{method} {path}"] = (body, problems)
    assert refused == {}
    bodies = [one["requestBody"]["content"] for one in operations.values() if "requestBody" in one]
    assert tried == len([content for content in bodies if JSON in content]) > 25


def test_every_text_and_number_of_the_document_has_an_example(document: Document) -> None:
    schemas = document.whole["components"]["schemas"]
    assert [at for name in schemas for at in bare(document, schemas[name], name)] == []


def test_the_example_of_every_answer_is_as_its_schema_says(document: Document) -> None:
    tried = 0
    for (path, method), operation in document.operations().items():
        for status, answer in operation["responses"].items():
            if status.startswith("2") and JSON in answer.get("content", {}):
                content = answer["content"][JSON]
                assert list(bare(document, content["schema"], f"{method} {path}")) == [] or "example" in content
                whole = content["schema"] | {"components": document.whole["components"]}
                Draft202012Validator(whole).validate(shown(document, content))
                tried += 1
    assert tried > 50
