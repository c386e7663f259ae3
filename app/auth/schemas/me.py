"""What the API of one's own account takes and gives."""

from __future__ import annotations

from marshmallow import Schema, fields


class AccountSchema(Schema):
    """The user that an access token belongs to."""

    id = fields.Integer()
    email = fields.String()
    name = fields.String()
    roles = fields.List(fields.String())
    permissions = fields.List(fields.String())
