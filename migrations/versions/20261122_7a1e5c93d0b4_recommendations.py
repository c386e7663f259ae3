"""recommendations.

Revision ID: 7a1e5c93d0b4
Revises: c58d20e7f6a4
Create Date: 2026-11-22 13:45:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, JsonText, UtcDateTime, key_text

revision = '7a1e5c93d0b4'
down_revision = 'c58d20e7f6a4'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('bought_basket',
    sa.Column('order_id', BigId, autoincrement=False, nullable=False),
    sa.Column('paid_on', sa.Date(), nullable=False),
    sa.Column('products', JsonText(), nullable=False),
    sa.PrimaryKeyConstraint('order_id', name=op.f('pk_bought_basket'))
    )
    op.create_index('ix_bought_basket_paid', 'bought_basket', ['paid_on', 'order_id'])
    op.create_table('bought_product',
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.Column('orders', sa.Integer(), nullable=False),
    sa.Column('is_stale', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('product_id', name=op.f('pk_bought_product'))
    )
    op.create_index('ix_bought_product_stale', 'bought_product', ['is_stale', 'product_id'])
    op.create_table('bought_pair',
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.Column('other_id', BigId, autoincrement=False, nullable=False),
    sa.Column('orders', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('product_id', 'other_id', name=op.f('pk_bought_pair'))
    )
    op.create_table('recommendation',
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.Column('other_id', BigId, autoincrement=False, nullable=False),
    sa.Column('score_ppm', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('product_id', 'other_id', name=op.f('pk_recommendation'))
    )
    op.create_table('recommendation_state',
    sa.Column('id', BigId, autoincrement=False, nullable=False),
    sa.Column('round_no', sa.Integer(), nullable=False),
    sa.Column('is_emptying', sa.Boolean(), nullable=False),
    sa.Column('sold_at', UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_recommendation_state'))
    )
    op.create_table('product_demand',
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.Column('units', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('product_id', name=op.f('pk_product_demand'))
    )
    op.create_table('best_seller',
    sa.Column('scope', key_text(265), nullable=False),
    sa.Column('position', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('product_id', BigId, nullable=False),
    sa.Column('units', sa.Integer(), nullable=False),
    sa.Column('ranked_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('scope', 'position', name=op.f('pk_best_seller'))
    )


def downgrade() -> None:
    for table in (
        'best_seller', 'product_demand', 'recommendation_state', 'recommendation', 'bought_pair', 'bought_product',
        'bought_basket',
    ):
        op.drop_table(table)
