"""alerts.

Revision ID: 5502526a253b
Revises: a4f1c06e2b97
Create Date: 2026-11-22 04:11:45.492160
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime, key_text

revision = '5502526a253b'
down_revision = 'c7d2e90b5a14'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('alert_rule',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('kind', key_text(16), nullable=False),
    sa.Column('fires_when', sa.JSON(), nullable=False),
    sa.Column('storefront', key_text(64), nullable=True),
    sa.Column('asins', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('seen_update_id', BigId, nullable=False),
    sa.Column('seen_at', UtcDateTime(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alert_rule'))
    )
    op.create_table('alert',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('rule_id', BigId, nullable=False),
    sa.Column('subject', key_text(64), nullable=False),
    sa.Column('once_key', key_text(120), nullable=True),
    sa.Column('detail', sa.String(length=500), nullable=False),
    sa.Column('asin', key_text(10), nullable=True),
    sa.Column('storefront', key_text(64), nullable=True),
    sa.Column('job_id', BigId, nullable=True),
    sa.Column('task_id', BigId, nullable=True),
    sa.Column('fired_at', UtcDateTime(), nullable=False),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.Column('read_at', UtcDateTime(), nullable=True),
    sa.Column('dismissed_at', UtcDateTime(), nullable=True),
    sa.Column('dismissed_by', key_text(32), nullable=True),
    sa.ForeignKeyConstraint(['rule_id'], ['alert_rule.id'], name=op.f('fk_alert_rule_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alert')),
    sa.UniqueConstraint('once_key', name=op.f('uq_alert_once_key'))
    )
    op.create_index('ix_alert_rule', 'alert', ['rule_id', 'id'])
    op.create_index('ix_alert_holding', 'alert', ['rule_id', 'ended_at'])
    op.create_index('ix_job_finished', 'job', ['state', 'finished_at'])


def downgrade() -> None:
    op.drop_index('ix_job_finished', 'job')
    op.drop_table('alert')
    op.drop_table('alert_rule')
