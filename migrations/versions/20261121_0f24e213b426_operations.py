"""operations.

Revision ID: 0f24e213b426
Revises: 5d1f08b3c6a7
Create Date: 2026-11-21 17:09:34.920765
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, LongText, UtcDateTime, key_text

revision = '0f24e213b426'
down_revision = '5d1f08b3c6a7'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('operation',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('kind', key_text(8), nullable=False),
    sa.Column('state', key_text(24), nullable=False),
    sa.Column('arguments', LongText, nullable=False),
    sa.Column('report', LongText, nullable=False),
    sa.Column('cursor', LongText, nullable=False),
    sa.Column('total_count', BigId, nullable=True),
    sa.Column('done_count', BigId, nullable=False),
    sa.Column('new_count', BigId, nullable=False),
    sa.Column('changed_count', BigId, nullable=False),
    sa.Column('unchanged_count', BigId, nullable=False),
    sa.Column('refused_count', BigId, nullable=False),
    sa.Column('folder', key_text(64), nullable=False),
    sa.Column('result_bytes', BigId, nullable=True),
    sa.Column('writer', sa.Integer(), nullable=True),
    sa.Column('slice_no', sa.Integer(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('lease_token', key_text(32), nullable=True),
    sa.Column('leased_until', UtcDateTime(), nullable=True),
    sa.Column('error_code', key_text(32), nullable=True),
    sa.Column('error_detail', sa.String(length=500), nullable=True),
    sa.Column('started_at', UtcDateTime(), nullable=True),
    sa.Column('finished_at', UtcDateTime(), nullable=True),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.Column('files_deleted_at', UtcDateTime(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.CheckConstraint('done_count >= 0', name=op.f('ck_operation_done_not_negative')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_operation')),
    sa.UniqueConstraint('writer', name=op.f('uq_operation_writer'))
    )
    with op.batch_alter_table('operation', schema=None) as batch_op:
        batch_op.create_index('ix_operation_expires', ['files_deleted_at', 'expires_at', 'id'], unique=False)
        batch_op.create_index('ix_operation_kind', ['kind', 'id'], unique=False)
        batch_op.create_index('ix_operation_state', ['state', 'id'], unique=False)

    op.create_table('operation_row',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('operation_id', BigId, nullable=False),
    sa.Column('line', BigId, nullable=True),
    sa.Column('product_id', BigId, nullable=True),
    sa.Column('asin', key_text(10), nullable=True),
    sa.Column('reasons', LongText, nullable=False),
    sa.Column('cells', LongText, nullable=True),
    sa.ForeignKeyConstraint(['operation_id'], ['operation.id'], name=op.f('fk_operation_row_operation_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_operation_row'))
    )
    with op.batch_alter_table('operation_row', schema=None) as batch_op:
        batch_op.create_index('ix_operation_row_operation', ['operation_id', 'id'], unique=False)



def downgrade() -> None:
    op.drop_table('operation_row')
    op.drop_table('operation')
