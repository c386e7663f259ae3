"""Saved reports with their recipients, links and runs.

Revision ID: 7d4e0b92c1f3
Revises: 5a1c7e90d3b4
Create Date: 2026-11-22 13:44:05.662999
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, LongText, UtcDateTime, key_text

revision = '7d4e0b92c1f3'
down_revision = '5a1c7e90d3b4'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('report',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('owner_id', BigId, nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('kind', key_text(32), nullable=False),
    sa.Column('period', key_text(16), nullable=False),
    sa.Column('days', sa.Integer(), nullable=True),
    sa.Column('filters', LongText, nullable=False),
    sa.Column('rhythm', key_text(8), nullable=True),
    sa.Column('hour', sa.Integer(), nullable=True),
    sa.Column('weekday', sa.Integer(), nullable=True),
    sa.Column('month_day', sa.Integer(), nullable=True),
    sa.Column('timezone', key_text(64), nullable=True),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('next_at', UtcDateTime(), nullable=True),
    sa.Column('last_run_id', BigId, nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_report'))
    )
    op.create_index('ix_report_due', 'report', ['next_at', 'id'])
    op.create_index('ix_report_owner', 'report', ['owner_id', 'id'])
    op.create_table('report_recipient',
    sa.Column('report_id', BigId, nullable=False),
    sa.Column('user_id', BigId, autoincrement=False, nullable=False),
    sa.ForeignKeyConstraint(['report_id'], ['report.id'], name=op.f('fk_report_recipient_report_id')),
    sa.PrimaryKeyConstraint('report_id', 'user_id', name=op.f('pk_report_recipient'))
    )
    op.create_index('ix_report_recipient_user', 'report_recipient', ['user_id', 'report_id'])
    op.create_table('report_run',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('report_id', BigId, nullable=False),
    sa.Column('slot_at', UtcDateTime(), nullable=False),
    sa.Column('is_manual', sa.Boolean(), nullable=False),
    sa.Column('missed_count', sa.Integer(), nullable=False),
    sa.Column('state', key_text(8), nullable=False),
    sa.Column('token', key_text(32), nullable=True),
    sa.Column('first_on', sa.Date(), nullable=True),
    sa.Column('last_on', sa.Date(), nullable=True),
    sa.Column('row_count', sa.Integer(), nullable=True),
    sa.Column('is_cut', sa.Boolean(), nullable=False),
    sa.Column('folder', key_text(48), nullable=True),
    sa.Column('has_picture', sa.Boolean(), nullable=False),
    sa.Column('mailed_count', sa.Integer(), nullable=False),
    sa.Column('withheld_count', sa.Integer(), nullable=False),
    sa.Column('code', key_text(64), nullable=True),
    sa.Column('detail', sa.String(length=500), nullable=True),
    sa.Column('noted_at', UtcDateTime(), nullable=False),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['report_id'], ['report.id'], name=op.f('fk_report_run_report_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_report_run')),
    sa.UniqueConstraint('report_id', 'slot_at', name=op.f('uq_report_run_report_id_slot_at'))
    )
    op.create_index('ix_report_run_folder', 'report_run', ['folder'])
    op.create_index('ix_report_run_state', 'report_run', ['state', 'id'])
    op.create_table('report_share',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('report_id', BigId, nullable=False),
    sa.Column('token_hash', key_text(64), nullable=False),
    sa.Column('created_by_id', BigId, nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('opened_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['report_id'], ['report.id'], name=op.f('fk_report_share_report_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_report_share')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_report_share_token_hash'))
    )
    op.create_index('ix_report_share_report', 'report_share', ['report_id', 'id'])


def downgrade() -> None:
    op.drop_table('report_share')
    op.drop_table('report_run')
    op.drop_table('report_recipient')
    op.drop_table('report')
