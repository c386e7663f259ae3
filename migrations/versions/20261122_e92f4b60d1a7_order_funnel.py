"""order funnel.

Revision ID: e92f4b60d1a7
Revises: e4a7c20d9b63
Create Date: 2026-11-22 14:05:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime, key_text

revision = 'e92f4b60d1a7'
down_revision = 'e4a7c20d9b63'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('funnel_mark',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('step', key_text(12), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_funnel_mark'))
    )
    op.create_table('funnel_day',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('carts', sa.Integer(), nullable=False),
    sa.Column('checkouts', sa.Integer(), nullable=False),
    sa.Column('placed', sa.Integer(), nullable=False),
    sa.Column('paid', sa.Integer(), nullable=False),
    sa.Column('delivered', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('day', name=op.f('pk_funnel_day'))
    )
    op.add_column('cart', sa.Column('begun_at', UtcDateTime(), nullable=True))
    op.execute("""UPDATE cart SET begun_at = created_at
                  WHERE EXISTS (SELECT 1 FROM cart_item WHERE cart_item.cart_id = cart.id)""")


def downgrade() -> None:
    op.drop_column('cart', 'begun_at')
    op.drop_table('funnel_day')
    op.drop_table('funnel_mark')
