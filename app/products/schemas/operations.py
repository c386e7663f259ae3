"""What the APIs of imports, exports and other long-running work take and give."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate

from app.core.fields import Instant, PageArguments, StrictSchema, page_of
from app.core.orm import utc_now
from app.products.files.delimited import DELIMITERS, ENCODINGS
from app.products.files.guessing import ATTRIBUTE, MAX_TARGET, TARGETS
from app.products.files.table import FORMATS, MAX_COLUMNS, XLSX
from app.products.models.operations import OperationKind, OperationState
from app.products.schemas.listing import ProductArguments

_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_LINE: Final = {"description": "Where the row begins in the file; in a workbook its row", "examples": [17]}
_ASIN: Final = {"examples": ["B0CW1A0001"]}
_STATES: Final = validate.OneOf([state.value for state in OperationState])
_KINDS: Final = validate.OneOf([kind.value for kind in OperationKind])
_TARGET: Final = {
    "description": f"{', '.join(TARGETS)}, or {ATTRIBUTE} and a name for one attribute; null: left out",
    "examples": ["price"],
}


class CountsSchema(Schema):
    """What became of the rows, or in a dry run would."""

    new = fields.Integer(attribute="new_count", metadata={"examples": [900]})
    changed = fields.Integer(attribute="changed_count", metadata={"examples": [80]})
    unchanged = fields.Integer(attribute="unchanged_count", metadata={"examples": [15]})
    refused = fields.Integer(attribute="refused_count", metadata={"examples": [5]})


class OperationSchema(Schema):
    """A piece of long-running work on the catalogue."""

    id = fields.Integer(metadata={"examples": [12]})
    kind = fields.String(validate=_KINDS)
    state = fields.String(validate=_STATES)
    total = fields.Integer(
        attribute="total_count", allow_none=True, metadata={"description": "Rows; null until known", "examples": [1000]}
    )
    done = fields.Integer(
        attribute="done_count", metadata={"description": "Rows done in the present state", "examples": [400]}
    )
    percent = fields.Float(allow_none=True, metadata={"description": "Of the present state", "examples": [40.0]})
    rows_per_s = fields.Function(
        lambda row: row.rows_per_s(utc_now()), metadata={"type": ["number", "null"], "examples": [5120.5]}
    )
    eta_s = fields.Function(
        lambda row: row.eta_s(utc_now()),
        metadata={"type": ["integer", "null"], "description": "Seconds the present state still takes", "examples": [7]},
    )
    counts = fields.Function(
        lambda row: CountsSchema().dump(row),
        metadata={
            "type": "object",
            "description": "What became of the rows, or in a dry run would",
            "properties": {name: {"type": "integer", "examples": [9]} for name in CountsSchema().fields},
        },
    )
    error_code = fields.String(
        allow_none=True, metadata={"description": "Why it FAILED; stable", "examples": ["NOT_A_WORKBOOK"]}
    )
    error_detail = fields.String(
        allow_none=True, metadata={"description": "The same for a person", "examples": ["The file is empty."]}
    )
    actor_kind = fields.String(metadata={"examples": ["user"]})
    actor_id = fields.Integer(allow_none=True, metadata={"examples": [7]})
    version = fields.Integer(metadata={"description": "The number in the ETag; counts decisions", "examples": [1]})
    created_at = Instant(metadata=_WHEN)
    started_at = Instant(allow_none=True, metadata={"description": "When the present state began"} | _WHEN)
    finished_at = Instant(allow_none=True, metadata=_WHEN)
    expires_at = Instant(
        metadata={"description": "When its files are deleted, and it is given up if somebody still has to decide"}
        | _WHEN
    )


class OperationArguments(PageArguments):
    """Which operations."""

    kind = fields.String(validate=_KINDS)
    state = fields.String(validate=_STATES)


class ImportColumnSchema(Schema):
    """A column of an uploaded file."""

    name = fields.String(metadata={"examples": ["Sale price"]})
    target = fields.String(allow_none=True, metadata=_TARGET)
    guessed_by = fields.String(
        allow_none=True,
        metadata={
            "description": "name or content: what the target was guessed by; null: it was not",
            "examples": ["name"],
        },
    )
    samples = fields.List(
        fields.String(metadata={"examples": ["12.50"]}),
        metadata={"description": "The first 5 values that are not empty"},
    )


class RowReasonSchema(Schema):
    """A rule that a row breaks."""

    column = fields.String(
        allow_none=True,
        metadata={"description": "As the file calls it; null: the row as a whole", "examples": ["Price"]},
    )
    detail = fields.String(metadata={"examples": ["has more decimals than USD allows (2)."]})


class RefusedRowSchema(Schema):
    """A row that is not imported, and why."""

    line = fields.Integer(metadata=_LINE)
    reasons = fields.List(fields.Nested(RowReasonSchema))


class ImportChangeSchema(Schema):
    """An attribute that changes."""

    attribute = fields.String(metadata={"examples": ["price"]})
    previous = fields.String(allow_none=True, metadata={"examples": ["12.50 USD"]})
    current = fields.String(allow_none=True, metadata={"examples": ["11.90 USD"]})


class ImportSampleSchema(Schema):
    """A row of the file and what it changes; long values are cut."""

    line = fields.Integer(metadata=_LINE)
    asin = fields.String(metadata=_ASIN)
    changes = fields.List(fields.Nested(ImportChangeSchema))


class ImportSamplesSchema(Schema):
    """The first 10 rows of each outcome, and the first 100 that are refused; of a dry run only."""

    new = fields.List(fields.Nested(ImportSampleSchema))
    changed = fields.List(fields.Nested(ImportSampleSchema))
    unchanged = fields.List(fields.Nested(ImportSampleSchema))
    refused = fields.List(fields.Nested(RefusedRowSchema))


class ImportSchema(OperationSchema):
    """An import of products."""

    filename = fields.String(attribute="arguments.filename", metadata={"examples": ["spring.csv"]})
    size = fields.Integer(attribute="arguments.size", metadata={"description": "Bytes", "examples": [52480]})
    run = fields.Boolean(attribute="arguments.run", metadata={"description": "Whether it runs without being asked"})
    create_categories = fields.Boolean(attribute="arguments.create_categories")
    format = fields.String(attribute="report.format", validate=validate.OneOf(FORMATS))
    encoding = fields.String(attribute="report.encoding", metadata={"examples": ["utf-8"]})
    delimiter = fields.String(attribute="report.delimiter", allow_none=True, metadata={"examples": [","]})
    columns = fields.List(fields.Nested(ImportColumnSchema), attribute="report.columns")
    new_categories = fields.List(
        fields.String(metadata={"examples": ["Kitchen > Kettles"]}),
        attribute="report.new_categories",
        metadata={"description": "Those that will be made"},
    )
    samples = fields.Nested(ImportSamplesSchema, attribute="report.samples")
    waits_for = fields.Integer(
        allow_none=True,
        metadata={"description": "While QUEUED: the operation that writes to the catalogue now", "examples": [11]},
    )


class ImportFields(StrictSchema):
    """What may be said of a file that is sent."""

    run = fields.Boolean(load_default=False)
    create_categories = fields.Boolean(load_default=False)
    format = fields.String(load_default=None, validate=validate.OneOf(FORMATS))
    encoding = fields.String(load_default=None, validate=validate.OneOf(ENCODINGS))
    delimiter = fields.String(load_default=None, validate=validate.OneOf([*DELIMITERS, "tab"]))


class MappingIn(StrictSchema):
    """Which attribute each column has."""

    targets = fields.List(
        fields.String(allow_none=True, validate=validate.Length(max=MAX_TARGET), metadata=_TARGET),
        required=True,
        validate=validate.Length(1, MAX_COLUMNS),
        metadata={
            "description": "In the order of the columns",
            "examples": [["asin", "name", None, "attribute:colour"]],
        },
    )


class _Filter(ProductArguments):
    """Which products; the order is the one they were created in."""

    class Meta(StrictSchema.Meta):
        exclude = ("limit", "cursor", "sort", "q")


class ExportIn(StrictSchema):
    """What is to be in a file."""

    format = fields.String(required=True, validate=validate.OneOf(FORMATS))
    filter = fields.Nested(
        _Filter,
        load_default=dict,
        attribute="which",
        metadata={
            "description": "As the list of products takes it, without q",
            "examples": [{"brand": "Kettles & Co."}],
        },
    )


class StreamArguments(_Filter):
    """Which products, as what."""

    format = fields.String(
        load_default=FORMATS[0],
        validate=validate.OneOf(FORMATS),
        metadata={"description": f"{XLSX} has at most 1,048,575 products"},
    )


class ExportSchema(OperationSchema):
    """An export of products."""

    format = fields.String(attribute="arguments.format", validate=validate.OneOf(FORMATS))
    size = fields.Integer(
        attribute="result_bytes", allow_none=True, metadata={"description": "Bytes of the file", "examples": [52480]}
    )


OperationPage: Any = page_of(OperationSchema)
