"""observed changes.

Revision ID: b41f7a2c9d06
Revises: 5e0b7c94d1a8
Create Date: 2026-11-22 03:25:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime, key_text

revision = 'b41f7a2c9d06'
down_revision = '5e0b7c94d1a8'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('observed_change',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('product_id', BigId, nullable=False),
    sa.Column('asin', key_text(10), nullable=False),
    sa.Column('storefront_id', BigId, nullable=False),
    sa.Column('job_id', BigId, nullable=False),
    sa.Column('task_id', BigId, nullable=False),
    sa.Column('attribute', key_text(16), nullable=False),
    sa.Column('previous', sa.Text(), nullable=True),
    sa.Column('first_value', sa.Text(), nullable=True),
    sa.Column('current', sa.Text(), nullable=False),
    sa.Column('reason', key_text(16), nullable=False),
    sa.Column('verdict', key_text(12), nullable=False),
    sa.Column('state', key_text(12), nullable=False),
    sa.Column('update_id', BigId, nullable=True),
    sa.Column('observed_at', UtcDateTime(), nullable=False),
    sa.Column('decided_at', UtcDateTime(), nullable=True),
    sa.Column('decided_by', key_text(32), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_observed_change')),
    sa.UniqueConstraint('task_id', 'attribute', name=op.f('uq_observed_change_task_id_attribute'))
    )
    op.create_index('ix_observed_change_product', 'observed_change', ['product_id', 'state', 'id'])
    op.create_index('ix_observed_change_state', 'observed_change', ['state', 'id'])
    op.create_index('ix_observed_change_storefront', 'observed_change', ['storefront_id', 'state', 'id'])
    op.add_column('job', sa.Column('changed_count', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('task', sa.Column('first_look', sa.JSON(none_as_null=True), nullable=True))
    op.add_column('storefront', sa.Column('updates_master', sa.Boolean(), nullable=True))
    op.add_column('storefront', sa.Column('reviews_jumps', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index('ix_storefront_updates_master', 'storefront', ['updates_master'], unique=True)
    op.add_column('product_update', sa.Column('observed_id', BigId, nullable=True))
    op.add_column('product_update', sa.Column('is_flapping', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index('ix_product_update_observed', 'product_update', ['observed_id'], unique=True)


def downgrade() -> None:
    op.drop_index('ix_product_update_observed', 'product_update')
    op.drop_column('product_update', 'is_flapping')
    op.drop_column('product_update', 'observed_id')
    op.drop_index('ix_storefront_updates_master', 'storefront')
    op.drop_column('storefront', 'reviews_jumps')
    op.drop_column('storefront', 'updates_master')
    op.drop_column('task', 'first_look')
    op.drop_column('job', 'changed_count')
    op.drop_table('observed_change')
