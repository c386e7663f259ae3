"""What the API of bulk actions takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.core.fields import Asin, Instant, PageArguments, StrictSchema, Text, page_of
from app.core.money import Money, MoneyError
from app.core.running import settings
from app.operations.models import OperationState
from app.products.bulk import MAX_PERCENT, ActionRefused, read_action
from app.products.models.products import MAX_BRAND
from app.products.models.stock import MAX_QUANTITY
from app.products.queries.bulk import KINDS
from app.products.schemas.categories import CategoryIds
from app.products.schemas.kinds import Flag, Gtin
from app.products.services.bulk.selecting import MAX_LISTED

_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_ID: Final = {"examples": [42]}
_RESULTS: Final = ("changed", "unchanged", "refused")
_ACTION_SHOWN: Final = {"price": {"percent": "-10", "ending": "0.99"}}
_FILTER_SHOWN: Final = {"category": 7, "is_active": True}
_MAX_ID: Final = 2**63 - 1


BULK_IN: Final = {"action": _ACTION_SHOWN, "filter": _FILTER_SHOWN, "expected_count": 12, "dry_run": True}


class _Amount(fields.String):
    """A price of the shop as its decimal string."""

    def __init__(self, said: str, example: str) -> None:
        super().__init__(validate=validate.Length(max=40), metadata={"description": said, "examples": [example]})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return Money.parse(text, settings().currency).decimal_string()
        except MoneyError as error:
            raise ValidationError(str(error)) from error


class BulkFilterIn(StrictSchema):
    """Which products, as in the list of products; not by words, because what a search finds is ranked and capped."""

    category = fields.Integer(
        strict=True,
        validate=validate.Range(1, _MAX_ID),
        metadata={"description": "Those in it and in all below it", "examples": [7]},
    )
    brand = Text(longest=MAX_BRAND, metadata={"examples": ["Kettles & Co."]})
    price_min = _Amount("Not cheaper than this", "10.00")
    price_max = _Amount("Not dearer than this", "99.90")
    in_stock = Flag(metadata={"description": "Whether there is stock that nobody was promised"})
    is_active = Flag()
    asin = Asin()
    gtin = Gtin()


class BulkPriceIn(StrictSchema):
    """A price for all, or a change of each."""

    set = fields.String(
        validate=validate.Length(max=40), metadata={"description": "The same price for all", "examples": ["19.90"]}
    )
    percent = fields.String(
        validate=validate.Length(max=12),
        metadata={
            "description": f"-100 to {MAX_PERCENT}, with at most four decimals; computed exactly, halves of a minor "
            "unit are rounded up",
            "examples": ["-10"],
        },
    )
    ending = fields.String(
        validate=validate.Length(max=12),
        metadata={
            "description": "With percent: the nearest price that ends so, the higher one of two as near; 0 stays 0",
            "examples": ["0.99"],
        },
    )


class BulkCategoriesIn(StrictSchema):
    """Which categories are added and taken away, or are all that are left."""

    add = CategoryIds(said="Put each product into these, by id; it stays in its others")
    remove = CategoryIds(said="Take each product out of these, by id; one that is in none of them stays as it is")
    set = CategoryIds(said="Each product is then in these and in no others, by id; [] takes it out of all")


class BulkActionIn(StrictSchema):
    """What to do to each product: exactly one of these."""

    price = fields.Nested(BulkPriceIn, metadata={"examples": [{"percent": "-10", "ending": "0.99"}]})
    is_active = Flag()
    categories = fields.Nested(BulkCategoriesIn, metadata={"examples": [{"add": [3], "remove": [7]}]})
    threshold = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(0, MAX_QUANTITY),
        metadata={"description": "At how much left it is low, null: never; needs stock:write as well", "examples": [5]},
    )
    is_deleted = Flag(metadata={"description": "true deletes; false restores those of a list"})

    @validates_schema
    def check_action(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse what is no action."""
        try:
            read_action(data, currency=settings().currency)
        except ActionRefused as refused:
            problem: Any = [refused.detail]
            for name in reversed(refused.field.split(".")):
                problem = {name: problem}
            raise ValidationError(problem) from refused


class BulkIn(StrictSchema):
    """A bulk action: what to do to which products, given by a filter or by a list."""

    action = fields.Nested(BulkActionIn, required=True, metadata={"examples": [_ACTION_SHOWN]})
    filter = fields.Nested(
        BulkFilterIn,
        data_key="filter",
        attribute="which",
        metadata={"description": "{} is all products and needs expected_count", "examples": [_FILTER_SHOWN]},
    )
    product_ids = fields.List(
        fields.Integer(strict=True, validate=validate.Range(1, _MAX_ID)),
        metadata={"description": f"With asins at most {MAX_LISTED} products", "examples": [[42, 43]]},
    )
    asins = fields.List(Asin(), metadata={"examples": [["B0CW1A0001"]]})
    expected_count = fields.Integer(
        strict=True,
        validate=validate.Range(0, _MAX_ID),
        metadata={"description": "Of a filter: 409 unless just so many products fit", "examples": [12]},
    )
    dry_run = Flag(load_default=False, metadata={"description": "Only tell what would become of each product"})

    @validates_schema
    def check_selection(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse two selections, none, and ones that are likely a mistake."""
        listed = len(data.get("product_ids", ())) + len(data.get("asins", ()))
        if ("which" in data) == ("product_ids" in data or "asins" in data):
            raise ValidationError("must name either a filter, or product_ids or asins.", "filter")
        if "which" not in data:
            name = "product_ids" if "product_ids" in data else "asins"
            if not 1 <= listed <= MAX_LISTED:
                raise ValidationError(f"must name 1 to {MAX_LISTED} products.", name)
            if "expected_count" in data:
                raise ValidationError("goes with a filter.", "expected_count")
        elif not data["which"] and "expected_count" not in data:
            raise ValidationError("is needed for a filter that all products fit.", "expected_count")


class UndoIn(StrictSchema):
    """How to undo."""

    dry_run = Flag(load_default=False, metadata={"description": "Only tell what would become of each product"})


class BulkRowSchema(Schema):
    """What became of one product, or would."""

    product_id = fields.Integer(allow_none=True, metadata=_ID)
    asin = fields.String(allow_none=True, metadata={"examples": ["B0CW1A0001"]})
    result = fields.String(validate=validate.OneOf(_RESULTS), metadata={"examples": ["changed"]})
    attribute = fields.String(metadata={"examples": ["price"]})
    previous = fields.String(
        allow_none=True, metadata={"description": "As in the update history", "examples": ["12.00 USD"]}
    )
    current = fields.String(allow_none=True, metadata={"examples": ["10.80 USD"]})
    reason = fields.String(
        allow_none=True, metadata={"description": "Why it was refused", "examples": ["The product is deleted."]}
    )


class _Counts(Schema):
    """How many products became what; of an undo, how many values."""

    changed = fields.Integer(attribute="changed_count", metadata={"examples": [10]})
    unchanged = fields.Integer(attribute="unchanged_count", metadata={"examples": [2]})
    refused = fields.Integer(attribute="refused_count", metadata={"examples": [0]})


class BulkSchema(Schema):
    """A bulk action or an undo: what was asked for, how far it is, and what came of it."""

    id = fields.Integer(attribute="operation.id", metadata={"examples": [12]})
    kind = fields.String(attribute="operation.kind", validate=validate.OneOf(list(KINDS)))
    state = fields.String(
        attribute="operation.state", validate=validate.OneOf([state.value for state in OperationState])
    )
    dry_run = fields.Boolean(attribute="operation.arguments.dry_run")
    action = fields.Dict(
        attribute="operation.arguments.action",
        dump_default=None,
        allow_none=True,
        metadata={"description": "null for an undo", "examples": [_ACTION_SHOWN]},
    )
    filter = fields.Dict(
        attribute="operation.arguments.filter",
        dump_default=None,
        allow_none=True,
        metadata={"description": "null for a list and for an undo", "examples": [_FILTER_SHOWN]},
    )
    listed_count = fields.Integer(
        attribute="operation.arguments.listed",
        dump_default=None,
        allow_none=True,
        metadata={"description": "How many products were listed", "examples": [12]},
    )
    undoes_id = fields.Integer(
        attribute="operation.arguments.undoes",
        dump_default=None,
        allow_none=True,
        metadata={"description": "The operation that this undoes", "examples": [11]},
    )
    undone_by_id = fields.Integer(
        attribute="operation.report.undone_by",
        dump_default=None,
        allow_none=True,
        metadata={"description": "The last operation that undoes this", "examples": [13]},
    )
    total = fields.Integer(
        attribute="operation.total_count",
        allow_none=True,
        metadata={"description": "null until it is known", "examples": [12]},
    )
    done = fields.Integer(attribute="operation.done_count", metadata={"examples": [12]})
    counts = fields.Nested(
        _Counts,
        attribute="operation",
        metadata={
            "description": "Of a bulk action products. Of an undo values, as the update history has them: a product "
            "that gets its name and its price back counts twice, one that is deleted again counts once for that. "
            "total and done count likewise",
            "examples": [{"changed": 10, "unchanged": 2, "refused": 0}],
        },
    )
    percent = fields.Float(attribute="operation.percent", allow_none=True, metadata={"examples": [100.0]})
    rows_per_s = fields.Function(
        lambda shown: shown.operation.rows_per_s(shown.now),
        metadata={"type": ["number", "null"], "examples": [4000.0]},
    )
    eta_s = fields.Function(
        lambda shown: shown.operation.eta_s(shown.now), metadata={"type": ["integer", "null"], "examples": [3]}
    )
    rows = fields.List(
        fields.Nested(BulkRowSchema),
        allow_none=True,
        metadata={
            "description": "Every product (of an undo every value), where it was done at once; else null, see /rows"
        },
    )
    sample = fields.List(
        fields.Nested(BulkRowSchema), metadata={"description": "Of a dry run: what would become of some products"}
    )
    error_code = fields.String(attribute="operation.error_code", allow_none=True, metadata={"examples": [None]})
    error_detail = fields.String(attribute="operation.error_detail", allow_none=True, metadata={"examples": [None]})
    actor_kind = fields.String(attribute="operation.actor_kind", metadata={"examples": ["user"]})
    actor_id = fields.Integer(attribute="operation.actor_id", allow_none=True, metadata={"examples": [7]})
    created_at = Instant(attribute="operation.created_at", metadata=_WHEN)
    finished_at = Instant(attribute="operation.finished_at", allow_none=True, metadata=_WHEN)


class RowArguments(PageArguments):
    """Which products."""

    result = fields.String(
        load_default="changed",
        validate=validate.OneOf(["changed", "refused"]),
        metadata={"description": "Of products that stayed as they were only the number is kept"},
    )


BulkPage = page_of(BulkSchema)
BulkRowPage = page_of(BulkRowSchema)
