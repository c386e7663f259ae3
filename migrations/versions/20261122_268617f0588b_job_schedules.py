"""job schedules.

Revision ID: 268617f0588b
Revises: c5b81e7f0a36
Create Date: 2026-11-22 00:02:57.646964
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, LongText, UtcDateTime, key_text

revision = '268617f0588b'
down_revision = 'c5b81e7f0a36'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('job_schedule',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('wish', LongText, nullable=False),
    sa.Column('action', key_text(16), nullable=False),
    sa.Column('storefront', key_text(64), nullable=False),
    sa.Column('cron', key_text(255), nullable=True),
    sa.Column('timezone', key_text(64), nullable=True),
    sa.Column('every_s', sa.Integer(), nullable=True),
    sa.Column('starts_at', UtcDateTime(), nullable=True),
    sa.Column('next_at', UtcDateTime(), nullable=True),
    sa.Column('last_run_id', BigId, nullable=True),
    sa.Column('last_job_id', BigId, nullable=True),
    sa.Column('owner_id', BigId, nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.CheckConstraint('(cron IS NULL) <> (every_s IS NULL)', name=op.f('ck_job_schedule_one_timing')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_job_schedule'))
    )
    op.create_index('ix_job_schedule_due', 'job_schedule', ['next_at', 'id'])
    op.create_table('job_schedule_run',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('schedule_id', BigId, nullable=False),
    sa.Column('slot_at', UtcDateTime(), nullable=False),
    sa.Column('state', key_text(16), nullable=False),
    sa.Column('job_id', BigId, nullable=True),
    sa.Column('code', key_text(64), nullable=True),
    sa.Column('detail', sa.String(length=500), nullable=True),
    sa.Column('noted_at', UtcDateTime(), nullable=False),
    sa.Column('is_late', sa.Boolean(), nullable=False),
    sa.Column('is_manual', sa.Boolean(), nullable=False),
    sa.CheckConstraint("(state = 'STARTED') = (job_id IS NOT NULL)", name=op.f('ck_job_schedule_run_job_where_started')),
    sa.ForeignKeyConstraint(['schedule_id'], ['job_schedule.id'], name=op.f('fk_job_schedule_run_schedule_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_job_schedule_run')),
    sa.UniqueConstraint('schedule_id', 'slot_at', name=op.f('uq_job_schedule_run_schedule_id_slot_at'))
    )
    op.add_column('job', sa.Column('schedule_id', BigId, nullable=True))
    op.create_index('ix_job_schedule', 'job', ['schedule_id', 'id'])


def downgrade() -> None:
    op.drop_index('ix_job_schedule', 'job')
    op.drop_column('job', 'schedule_id')
    op.drop_table('job_schedule_run')
    op.drop_table('job_schedule')
