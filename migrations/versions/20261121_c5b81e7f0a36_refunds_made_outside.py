"""refunds that were made at the provider.

Revision ID: c5b81e7f0a36
Revises: a4d7c93e1b58
Create Date: 2026-11-21 23:55:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import key_text

revision = "c5b81e7f0a36"
down_revision = "a4d7c93e1b58"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refund", sa.Column("made_at", key_text(16), nullable=True))


def downgrade() -> None:
    op.drop_column("refund", "made_at")
