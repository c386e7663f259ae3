"""low stock notices; the stock ledger by reference.

Revision ID: 5d1f08b3c6a7
Revises: e7c41d0a95b2
Create Date: 2026-11-21 17:20:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime

revision = '5d1f08b3c6a7'
down_revision = 'e7c41d0a95b2'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('low_stock_notice',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('product_id', BigId, nullable=False),
    sa.Column('available', sa.Integer(), nullable=False),
    sa.Column('threshold', sa.Integer(), nullable=False),
    sa.Column('digest', BigId, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_low_stock_notice'))
    )
    op.create_index('ix_low_stock_notice_digest', 'low_stock_notice', ['digest', 'id'])
    op.create_index(
        'ix_stock_movement_reference', 'stock_movement', ['reference_kind', 'reference_id', 'product_id']
    )


def downgrade() -> None:
    op.drop_index('ix_stock_movement_reference', 'stock_movement')
    op.drop_table('low_stock_notice')
