"""What the APIs of imports have in common, whatever is imported."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

from app.core.fields import StrictSchema
from app.operations.files.delimited import DELIMITERS, ENCODINGS
from app.operations.files.table import FORMATS
from app.operations.schemas.operations import OperationSchema

LINE: Final = {"description": "Where the row begins in the file; in a workbook its row", "examples": [17]}


class ColumnSchema(Schema):
    """A column of an uploaded file."""

    name = fields.String(metadata={"examples": ["Sale price"]})
    target = fields.String(
        allow_none=True, metadata={"description": "What it is taken for; null: left out", "examples": ["asin"]}
    )
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

    line = fields.Integer(metadata=LINE)
    reasons = fields.List(fields.Nested(RowReasonSchema))


class MissingSchema(Schema):
    """What an import needs and no column was recognised as."""

    targets = fields.List(fields.String(metadata={"examples": ["gross"]}), metadata={"description": "Needed targets"})
    detail = fields.String(
        metadata={
            "description": "The same for a person",
            "examples": [
                "No column was recognised as gross. Say what each column is; the import needs one for each of these."
            ],
        }
    )


class FileImportSchema(OperationSchema):
    """An import of a file."""

    filename = fields.String(attribute="arguments.filename", metadata={"examples": ["spring.csv"]})
    size = fields.Integer(attribute="arguments.size", metadata={"description": "Bytes", "examples": [52480]})
    run = fields.Boolean(attribute="arguments.run", metadata={"description": "Whether it runs without being asked"})
    format = fields.String(attribute="report.format", validate=validate.OneOf(FORMATS))
    encoding = fields.String(attribute="report.encoding", metadata={"examples": ["utf-8"]})
    delimiter = fields.String(attribute="report.delimiter", allow_none=True, metadata={"examples": [","]})
    columns = fields.List(fields.Nested(ColumnSchema), attribute="report.columns")
    missing = fields.Nested(
        MissingSchema,
        attribute="report.missing",
        dump_default=None,
        allow_none=True,
        metadata={"description": "While MAPPING_NEEDED: which columns are; else null", "examples": [None]},
    )
    waits_for = fields.Integer(
        allow_none=True, metadata={"description": "While QUEUED: the operation that writes now", "examples": [11]}
    )


class ReadingFields(StrictSchema):
    """How a file that is sent is to be read."""

    format = fields.String(load_default=None, validate=validate.OneOf(FORMATS))
    encoding = fields.String(load_default=None, validate=validate.OneOf(ENCODINGS))
    delimiter = fields.String(load_default=None, validate=validate.OneOf([*DELIMITERS, "tab"]))


class FileFields(ReadingFields):
    """What may be said of a file that is sent to be imported."""

    run = fields.Boolean(load_default=False)
