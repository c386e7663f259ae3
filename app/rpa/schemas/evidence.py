"""What the evidence API gives."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.core.fields import Instant, StrictSchema, page_of
from app.rpa.rules.evidence import CONTENT_TYPES, Why
from app.rpa.rules.readings import Kind


class EvidenceArguments(StrictSchema):
    """How to get a piece of evidence."""

    framed = fields.Boolean(
        load_default=False,
        metadata={
            "description": "HTML to be looked at in a frame, not as a file: no script of it runs and it loads nothing"
        },
    )


class EvidenceSchema(Schema):
    """A picture or the HTML of the page that a visit saw."""

    id = fields.Integer(metadata={"examples": [31]})
    job_id = fields.Integer(metadata={"examples": [5]})
    task_id = fields.Integer(metadata={"examples": [73]})
    attempt_id = fields.Integer(metadata={"examples": [90]})
    kind = fields.String(validate=validate.OneOf([kind.value for kind in Kind]), metadata={"examples": ["screenshot"]})
    why = fields.String(
        validate=validate.OneOf([why.value for why in Why]),
        metadata={"description": "What it is kept for; a sample is a plain success", "examples": ["failure"]},
    )
    code = fields.String(allow_none=True, metadata={"examples": [None, "SELECTOR_MISSING"]})
    bytes = fields.Integer(metadata={"description": "As it is stored; HTML is compressed", "examples": [48211]})
    sha256 = fields.String(metadata={"description": "The same", "examples": ["9f86d081884c7d65" * 4]})
    content_type = fields.String(metadata={"examples": list(CONTENT_TYPES.values())[:1]})
    created_at = Instant(metadata={"examples": ["2026-11-21T10:04:30.000000Z"]})
    expires_at = Instant(metadata={"examples": ["2026-12-05T10:04:30.000000Z"]})


EvidencePage = page_of(EvidenceSchema)
