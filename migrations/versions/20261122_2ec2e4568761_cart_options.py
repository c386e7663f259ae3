"""Which variants of products go into carts.

Revision ID: 2ec2e4568761
Revises: a7c4e19b3d60
Create Date: 2026-11-22 07:06:03.971450
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime, key_text

revision = '2ec2e4568761'
down_revision = 'a7c4e19b3d60'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('cart_options',
    sa.Column('storefront_id', BigId, autoincrement=False, nullable=False),
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.Column('asin', key_text(10), nullable=False),
    sa.Column('options', sa.JSON(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['storefront_id'], ['storefront.id'], name=op.f('fk_cart_options_storefront_id')),
    sa.PrimaryKeyConstraint('storefront_id', 'product_id', name=op.f('pk_cart_options'))
    )
    op.create_index('ix_cart_options_product', 'cart_options', ['product_id', 'storefront_id'])


def downgrade() -> None:
    op.drop_table('cart_options')
