"""price index.

Revision ID: d41c7be93a02
Revises: 7a1e5c93d0b4
Create Date: 2026-11-22 13:42:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime, key_text

revision = 'd41c7be93a02'
down_revision = '7a1e5c93d0b4'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('price_gap',
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.Column('storefront_id', BigId, autoincrement=False, nullable=False),
    sa.Column('comparison', key_text(16), nullable=False),
    sa.Column('currency', key_text(3), nullable=False),
    sa.Column('our_minor', BigId, nullable=False),
    sa.Column('their_currency', key_text(3), nullable=False),
    sa.Column('their_minor', BigId, nullable=False),
    sa.Column('log_ratio', BigId, nullable=True),
    sa.Column('observed_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('product_id', 'storefront_id', name=op.f('pk_price_gap'))
    )
    op.create_index('ix_price_gap_ratio', 'price_gap', ['log_ratio', 'product_id', 'storefront_id'])
    op.create_index('ix_price_gap_storefront', 'price_gap', ['storefront_id', 'log_ratio', 'product_id'])
    op.create_table('price_index_day',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('storefront_id', BigId, autoincrement=False, nullable=False),
    sa.Column('products', sa.Integer(), nullable=False),
    sa.Column('compared', sa.Integer(), nullable=False),
    sa.Column('cheaper', sa.Integer(), nullable=False),
    sa.Column('dearer', sa.Integer(), nullable=False),
    sa.Column('other_currency', sa.Integer(), nullable=False),
    sa.Column('stale', sa.Integer(), nullable=False),
    sa.Column('free', sa.Integer(), nullable=False),
    sa.Column('log_sum', BigId, nullable=False),
    sa.Column('computed_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'storefront_id', name=op.f('pk_price_index_day'))
    )


def downgrade() -> None:
    op.drop_table('price_index_day')
    op.drop_table('price_gap')
