"""workers are told.

Revision ID: 5e0b7c94d1a8
Revises: 8d5a585771a5
Create Date: 2026-11-22 03:25:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import key_text

revision = '5e0b7c94d1a8'
down_revision = '8d5a585771a5'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('worker', sa.Column('wanted', key_text(8), server_default='work', nullable=False))
    op.add_column('worker', sa.Column('vitals', sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column('worker', 'vitals')
    op.drop_column('worker', 'wanted')
