"""what came into a cart at logins.

Revision ID: d1c85f0b7e36
Revises: 6a0d43c1be58
Create Date: 2026-11-21 20:55:10.204417
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import LongText

revision = 'd1c85f0b7e36'
down_revision = '6a0d43c1be58'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('cart', sa.Column('merges', LongText, nullable=True))


def downgrade() -> None:
    op.drop_column('cart', 'merges')
