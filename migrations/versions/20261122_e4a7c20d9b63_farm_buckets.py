"""farm buckets.

Revision ID: e4a7c20d9b63
Revises: 7d4e0b92c1f3
Create Date: 2026-11-22 13:50:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, JsonText, UtcDateTime, key_text

revision = 'e4a7c20d9b63'
down_revision = '7d4e0b92c1f3'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('farm_bucket',
    sa.Column('grain', key_text(6), nullable=False),
    sa.Column('worker_id', BigId, autoincrement=False, nullable=False),
    sa.Column('storefront_id', BigId, autoincrement=False, nullable=False),
    sa.Column('action', key_text(16), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('succeeded', sa.Integer(), nullable=False),
    sa.Column('refused', sa.Integer(), nullable=False),
    sa.Column('failed', sa.Integer(), nullable=False),
    sa.Column('skipped', sa.Integer(), nullable=False),
    sa.Column('cancelled', sa.Integer(), nullable=False),
    sa.Column('detail', JsonText(), nullable=False),
    sa.PrimaryKeyConstraint('grain', 'worker_id', 'storefront_id', 'action', 'at', name=op.f('pk_farm_bucket'))
    )
    op.create_index('ix_farm_bucket_at', 'farm_bucket', ['grain', 'at'])
    op.create_table('farm_mark',
    sa.Column('id', BigId, autoincrement=False, nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('zone', key_text(64), nullable=False),
    sa.Column('until', UtcDateTime(), nullable=False),
    sa.Column('attempt_id', BigId, nullable=False),
    sa.Column('update_id', BigId, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_farm_mark'))
    )
    op.create_table('farm_worker',
    sa.Column('id', BigId, autoincrement=False, nullable=False),
    sa.Column('name', key_text(128), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_farm_worker'))
    )
    op.create_table('farm_sample',
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('is_coarse', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('waiting', BigId, nullable=False),
    sa.Column('queued', sa.Integer(), nullable=False),
    sa.Column('running', sa.Integer(), nullable=False),
    sa.Column('idle', sa.Integer(), nullable=False),
    sa.Column('busy', sa.Integer(), nullable=False),
    sa.Column('draining', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('at', name=op.f('pk_farm_sample'))
    )
    op.create_index('ix_farm_sample_coarse', 'farm_sample', ['is_coarse', 'at'])


def downgrade() -> None:
    op.drop_table('farm_sample')
    op.drop_table('farm_worker')
    op.drop_table('farm_mark')
    op.drop_table('farm_bucket')
