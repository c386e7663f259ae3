"""stock outlook.

Revision ID: b96d20f7c3e5
Revises: f5b1d83c2e70
Create Date: 2026-11-22 17:30:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime, key_text

revision = 'b96d20f7c3e5'
down_revision = 'f5b1d83c2e70'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('stock_outlook',
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.Column('days', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('asin', key_text(10), nullable=False),
    sa.Column('units', sa.BigInteger(), nullable=False),
    sa.Column('squares', sa.Double(), nullable=False),
    sa.Column('cover', sa.BigInteger(), nullable=False),
    sa.Column('value', sa.BigInteger(), nullable=False),
    sa.Column('counted_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('product_id', 'days', name=op.f('pk_stock_outlook'))
    )
    with op.batch_alter_table('stock_outlook', schema=None) as batch_op:
        batch_op.create_index('ix_stock_outlook_cover', ['days', 'cover', 'product_id'], unique=False)
        batch_op.create_index('ix_stock_outlook_value', ['days', 'value', 'product_id'], unique=False)
        batch_op.create_index('ix_stock_outlook_units', ['days', 'units', 'product_id'], unique=False)
    op.create_table('stock_outlook_window',
    sa.Column('days', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('last_on', sa.Date(), nullable=False),
    sa.Column('stamp', key_text(64), nullable=False),
    sa.Column('counted_at', UtcDateTime(), nullable=False),
    sa.Column('as_of', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('days', name=op.f('pk_stock_outlook_window'))
    )


def downgrade() -> None:
    op.drop_table('stock_outlook_window')
    op.drop_table('stock_outlook')
