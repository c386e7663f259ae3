"""In which form figures are answered."""

from __future__ import annotations

from typing import Final

from marshmallow import fields, validate

from app.core.fields import StrictSchema

JSON: Final = "json"
CSV: Final = "csv"
CHART: Final = "chart"


class FormatArguments(StrictSchema):
    """The form of the answer, as ``format``."""

    format = fields.String(
        load_default=JSON,
        validate=validate.OneOf([JSON, CSV, CHART]),
        metadata={
            "description": "`csv`: a file with the same numbers; `chart`: an item that Bokeh draws (`embed_item`)",
            "examples": [JSON],
        },
    )
