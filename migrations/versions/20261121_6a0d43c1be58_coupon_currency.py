"""the currency of a coupon's amounts.

Revision ID: 6a0d43c1be58
Revises: 2ef4c5e74374
Create Date: 2026-11-21 20:55:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import key_text

revision = '6a0d43c1be58'
down_revision = '2ef4c5e74374'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('coupon', sa.Column('currency', key_text(3), nullable=False, server_default='USD'))


def downgrade() -> None:
    op.drop_column('coupon', 'currency')
