"""refunds that are tried again.

Revision ID: f2b8a1d3c905
Revises: e47f19c05b62
Create Date: 2026-11-21 21:15:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId

revision = 'f2b8a1d3c905'
down_revision = 'e47f19c05b62'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('refund', sa.Column('retry_of_id', BigId, nullable=True))
    op.create_index('uq_refund_retry_of', 'refund', ['retry_of_id'], unique=True)


def downgrade() -> None:
    op.drop_index('uq_refund_retry_of', table_name='refund')
    op.drop_column('refund', 'retry_of_id')
