"""evidence.

Revision ID: 8c51d2e6f4a0
Revises: 3c106e11279e
Create Date: 2026-11-22 01:05:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime, key_text

revision = '8c51d2e6f4a0'
down_revision = '3c106e11279e'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('evidence',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('attempt_id', BigId, nullable=False),
    sa.Column('job_id', BigId, nullable=False),
    sa.Column('task_id', BigId, nullable=False),
    sa.Column('product_id', BigId, nullable=False),
    sa.Column('kind', key_text(12), nullable=False),
    sa.Column('why', key_text(12), nullable=False),
    sa.Column('code', key_text(24), nullable=True),
    sa.Column('path', key_text(128), nullable=False),
    sa.Column('bytes', sa.Integer(), nullable=False),
    sa.Column('sha256', key_text(64), nullable=False),
    sa.Column('content_type', key_text(64), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['attempt_id'], ['attempt.id'], name=op.f('fk_evidence_attempt_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_evidence')),
    sa.UniqueConstraint('path', name=op.f('uq_evidence_path'))
    )
    op.create_index('ix_evidence_attempt', 'evidence', ['attempt_id'])
    op.create_index('ix_evidence_code', 'evidence', ['job_id', 'code', 'attempt_id'])
    op.create_index('ix_evidence_expires', 'evidence', ['expires_at', 'id'])
    op.create_index('ix_evidence_product', 'evidence', ['product_id'])
    op.create_index('ix_evidence_task', 'evidence', ['task_id', 'id'])


def downgrade() -> None:
    op.drop_table('evidence')
