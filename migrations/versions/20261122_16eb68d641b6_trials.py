"""trials.

Revision ID: 16eb68d641b6
Revises: 05f552372748
Create Date: 2026-11-22 03:35:35.330115
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, LongText, UtcDateTime, key_text

revision = '16eb68d641b6'
down_revision = '05f552372748'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('trial',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('kind', key_text(8), nullable=False),
    sa.Column('state', key_text(8), nullable=False),
    sa.Column('storefront_id', BigId, nullable=True),
    sa.Column('profile_version', sa.Integer(), nullable=True),
    sa.Column('asks', LongText, nullable=False),
    sa.Column('result', LongText, nullable=True),
    sa.Column('code', key_text(24), nullable=True),
    sa.Column('detail', sa.Text(), nullable=True),
    sa.Column('has_screenshot', sa.Boolean(), nullable=False),
    sa.Column('lease_token', key_text(32), nullable=True),
    sa.Column('leased_until', UtcDateTime(), nullable=True),
    sa.Column('not_before', UtcDateTime(), nullable=False),
    sa.Column('rung_at', UtcDateTime(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('finished_at', UtcDateTime(), nullable=True),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_trial'))
    )
    op.create_index('ix_trial_expires', 'trial', ['expires_at', 'id'])
    op.create_index('ix_trial_open', 'trial', ['state', 'not_before', 'id'])
    op.create_index('ix_trial_storefront', 'trial', ['storefront_id', 'kind', 'state', 'id'])


def downgrade() -> None:
    op.drop_table('trial')