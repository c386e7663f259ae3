"""What the APIs of imports and exports take and give."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

from app.core.fields import StrictSchema
from app.operations.files.table import FORMATS, MAX_COLUMNS, XLSX
from app.operations.schemas.imports import LINE, ColumnSchema, FileFields, FileImportSchema, RefusedRowSchema
from app.operations.schemas.operations import OperationSchema
from app.products.columns import ATTRIBUTE, MAX_TARGET, TARGETS
from app.products.schemas.listing import ProductArguments

_ASIN: Final = {"examples": ["B0CW1A0001"]}
_TARGET: Final = {
    "description": f"{', '.join(TARGETS)}, or {ATTRIBUTE} and a name for one attribute; null: left out",
    "examples": ["price"],
}


class ImportColumnSchema(ColumnSchema):
    """A column of an uploaded file."""

    target = fields.String(allow_none=True, metadata=_TARGET)


class ImportChangeSchema(Schema):
    """An attribute that changes."""

    attribute = fields.String(metadata={"examples": ["price"]})
    previous = fields.String(allow_none=True, metadata={"examples": ["12.50 USD"]})
    current = fields.String(allow_none=True, metadata={"examples": ["11.90 USD"]})


class ImportSampleSchema(Schema):
    """A row of the file and what it changes; long values are cut."""

    line = fields.Integer(metadata=LINE)
    asin = fields.String(metadata=_ASIN)
    changes = fields.List(fields.Nested(ImportChangeSchema))


class ImportSamplesSchema(Schema):
    """The first 10 rows of each outcome, and the first 100 that are refused; of a dry run only."""

    new = fields.List(fields.Nested(ImportSampleSchema))
    changed = fields.List(fields.Nested(ImportSampleSchema))
    unchanged = fields.List(fields.Nested(ImportSampleSchema))
    refused = fields.List(fields.Nested(RefusedRowSchema))


class ImportSchema(FileImportSchema):
    """An import of products."""

    create_categories = fields.Boolean(attribute="arguments.create_categories")
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


class ImportFields(FileFields):
    """What may be said of a file of products that is sent."""

    create_categories = fields.Boolean(load_default=False)


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
