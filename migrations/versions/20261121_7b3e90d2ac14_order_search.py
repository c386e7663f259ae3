"""what staff find orders by.

Revision ID: 7b3e90d2ac14
Revises: d1c85f0b7e36
Create Date: 2026-11-21 21:10:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import key_text

revision = '7b3e90d2ac14'
down_revision = 'd1c85f0b7e36'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('order', sa.Column('recipient_key', key_text(120), nullable=False, server_default=''))
    op.add_column('order', sa.Column('postal_key', key_text(20), nullable=True))
    op.create_index('ix_order_total', 'order', ['total_minor', 'id'])
    op.create_index('ix_order_coupon', 'order', ['coupon_code', 'id'])
    op.create_index('ix_order_recipient', 'order', ['recipient_key', 'id'])
    op.create_index('ix_order_postal', 'order', ['postal_key', 'id'])


def downgrade() -> None:
    for name in ('ix_order_postal', 'ix_order_recipient', 'ix_order_coupon', 'ix_order_total'):
        op.drop_index(name, table_name='order')
    op.drop_column('order', 'postal_key')
    op.drop_column('order', 'recipient_key')
