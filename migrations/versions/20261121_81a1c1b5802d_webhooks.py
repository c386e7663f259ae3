"""webhooks.

Revision ID: 81a1c1b5802d
Revises: 9d3b7e51c2f0
Create Date: 2026-11-21 17:13:37.978207
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, LongText, UtcDateTime, key_text

revision = '81a1c1b5802d'
down_revision = '9d3b7e51c2f0'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('webhook',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('url', sa.String(length=2000), nullable=False),
    sa.Column('kinds', LongText, nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('secret', sa.Text(), nullable=False),
    sa.Column('old_secret', sa.Text(), nullable=True),
    sa.Column('old_secret_until', UtcDateTime(), nullable=True),
    sa.Column('disabled_reason', sa.String(length=500), nullable=True),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('paused_until', UtcDateTime(), nullable=True),
    sa.Column('lease_token', key_text(32), nullable=True),
    sa.Column('leased_until', UtcDateTime(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook'))
    )
    op.create_table('webhook_event',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('event_id', key_text(40), nullable=False),
    sa.Column('kind', key_text(64), nullable=False),
    sa.Column('body', LongText, nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_event')),
    sa.UniqueConstraint('event_id', name=op.f('uq_webhook_event_event_id'))
    )
    with op.batch_alter_table('webhook_event', schema=None) as batch_op:
        batch_op.create_index('ix_webhook_event_created', ['created_at', 'id'], unique=False)

    op.create_table('webhook_delivery',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('webhook_id', BigId, nullable=False),
    sa.Column('event_id', BigId, nullable=False),
    sa.Column('state', key_text(12), nullable=False),
    sa.Column('is_requested', sa.Boolean(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_attempt_at', UtcDateTime(), nullable=False),
    sa.Column('last_attempt_at', UtcDateTime(), nullable=True),
    sa.Column('last_status', sa.Integer(), nullable=True),
    sa.Column('last_error', sa.String(length=500), nullable=True),
    sa.Column('response', sa.Text(), nullable=True),
    sa.Column('duration_ms', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['event_id'], ['webhook_event.id'], name=op.f('fk_webhook_delivery_event_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_delivery')),
    sa.UniqueConstraint('webhook_id', 'event_id', name=op.f('uq_webhook_delivery_webhook_id_event_id'))
    )
    with op.batch_alter_table('webhook_delivery', schema=None) as batch_op:
        batch_op.create_index('ix_webhook_delivery_due', ['webhook_id', 'state', 'is_requested', 'next_attempt_at', 'id'], unique=False)
        batch_op.create_index('ix_webhook_delivery_event', ['event_id'], unique=False)
        batch_op.create_index('ix_webhook_delivery_state', ['webhook_id', 'state', 'event_id'], unique=False)


def downgrade() -> None:
    op.drop_table('webhook_delivery')
    op.drop_table('webhook_event')
    op.drop_table('webhook')
