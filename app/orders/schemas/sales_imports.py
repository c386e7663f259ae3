"""What the API of imports of sales takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate

from app.core.fields import Instant, PageArguments, StrictSchema, page_of
from app.operations.files.table import MAX_COLUMNS
from app.operations.models import OperationState
from app.operations.schemas.imports import LINE, ColumnSchema, FileFields, FileImportSchema, RefusedRowSchema
from app.operations.schemas.operations import WHEN
from app.orders.models.sales import SaleKind
from app.orders.sales_columns import MAX_TARGET, TARGETS

_TARGET: Final = {"description": f"{', '.join(TARGETS)}; null: left out", "examples": ["gross"]}
_STATES: Final = validate.OneOf([state.value for state in OperationState])


def _amount(said: str, example: str) -> fields.String:
    return fields.String(metadata={"description": said, "examples": [example]})


class SaleImportColumnSchema(ColumnSchema):
    """A column of an uploaded file."""

    target = fields.String(allow_none=True, metadata=_TARGET)


class SaleImportSampleSchema(Schema):
    """A row of the file as the fact that it is."""

    line = fields.Integer(metadata=LINE)
    external_id = fields.String(metadata={"examples": ["2025-10017-1"]})
    kind = fields.String(validate=validate.OneOf([kind.value for kind in SaleKind]))
    sold_at = Instant(metadata=WHEN)
    sold_on = fields.String(metadata={"format": "date", "description": "The shop's day", "examples": ["2026-11-21"]})
    asin = fields.String(metadata={"examples": ["B0CW1A0001"]})
    product_id = fields.Integer(
        allow_none=True, metadata={"description": "null: no product has this ASIN", "examples": [42]}
    )
    name = fields.String(metadata={"examples": ["Copper kettle"]})
    brand = fields.String(allow_none=True, metadata={"examples": ["Kettles & Co."]})
    quantity = fields.Integer(metadata={"description": "Negative in a refund, as all amounts are", "examples": [2]})
    currency = fields.String(metadata={"examples": ["USD"]})
    gross = _amount("As priced, before any discount", "24.00")
    discount = _amount("As priced", "2.00")
    tax = _amount("Of goods and shipping", "1.80")
    shipping = _amount("Without tax", "3.00")
    net = _amount("What the goods brought: without discount, tax and shipping", "22.00")
    total = _amount("Net, shipping and tax", "26.80")


class SaleImportSamplesSchema(Schema):
    """The first 10 rows of each outcome, and the first 100 that are refused; of a dry run only."""

    new = fields.List(fields.Nested(SaleImportSampleSchema))
    unchanged = fields.List(fields.Nested(SaleImportSampleSchema))
    refused = fields.List(fields.Nested(RefusedRowSchema))


class SaleImportSchema(FileImportSchema):
    """An import of sales, or the undo of one (`kind` is `sales_undo`), which has nothing of a file."""

    tax_included = fields.Boolean(
        attribute="arguments.tax_included", metadata={"description": "Whether gross and discount contain tax"}
    )
    columns = fields.List(fields.Nested(SaleImportColumnSchema), attribute="report.columns")
    samples = fields.Nested(SaleImportSamplesSchema, attribute="report.samples")
    undoes_id = fields.Integer(
        attribute="arguments.undoes",
        dump_default=None,
        allow_none=True,
        metadata={"description": "The import that this takes back", "examples": [11]},
    )
    undone_by_id = fields.Integer(
        attribute="report.undone_by",
        dump_default=None,
        allow_none=True,
        metadata={"description": "The last operation that takes this back", "examples": [13]},
    )
    waits_for = fields.Integer(
        allow_none=True,
        metadata={"description": "While QUEUED: the import or undo of sales that is running", "examples": [11]},
    )


class SaleImportArguments(PageArguments):
    """Which imports."""

    state = fields.String(validate=_STATES)


class SaleImportFields(FileFields):
    """What may be said of a file of sales that is sent."""

    tax_included = fields.Boolean(load_default=None)


class SaleMappingIn(StrictSchema):
    """What each column is."""

    targets = fields.List(
        fields.String(allow_none=True, validate=validate.Length(max=MAX_TARGET), metadata=_TARGET),
        required=True,
        validate=validate.Length(1, MAX_COLUMNS),
        metadata={
            "description": "In the order of the columns",
            "examples": [["external_id", "sold_at", "asin", "quantity", "gross", None]],
        },
    )


SaleImportPage: Any = page_of(SaleImportSchema)
