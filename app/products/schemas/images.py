"""What the API of products' pictures takes."""

from __future__ import annotations

from marshmallow import fields, validate

from app.core.fields import StrictSchema


class ImageArguments(StrictSchema):
    """How long the picture may be kept."""

    v = fields.String(
        validate=validate.Length(1, 64),
        metadata={
            "description": "Anything that changes with the product, such as its version: browsers keep the picture at "
            "this address for a day. Without it they ask each time whether it is still the same",
            "examples": ["3"],
        },
    )
