"""life of jobs.

Revision ID: 3c106e11279e
Revises: 268617f0588b
Create Date: 2026-11-22 00:18:51.729701
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, LongText, UtcDateTime, key_text

revision = '3c106e11279e'
down_revision = '268617f0588b'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('product_filter',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('name', key_text(120), nullable=False),
    sa.Column('which', LongText, nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_product_filter')),
    sa.UniqueConstraint('name', name=op.f('uq_product_filter_name'))
    )
    op.add_column('job', sa.Column('priority', key_text(8), nullable=False, server_default='normal'))
    op.add_column('job', sa.Column('concurrency', sa.Integer(), nullable=True))
    op.add_column('job', sa.Column('version', sa.Integer(), nullable=False, server_default='1'))
    op.add_column('job', sa.Column('parent_id', BigId, nullable=True))
    op.add_column('job', sa.Column('over', sa.JSON(none_as_null=True), nullable=True))
    op.add_column('job', sa.Column('paused_at', UtcDateTime(), nullable=True))
    op.add_column('job', sa.Column('paused_by', key_text(32), nullable=True))
    op.create_index('ix_job_parent', 'job', ['parent_id', 'id'])
    op.create_index('ix_job_storefront', 'job', ['storefront_id', 'action', 'id'])


def downgrade() -> None:
    # What is not prepared whole was PREPARING until now, and nothing was paused.
    op.execute("UPDATE job SET state = 'PREPARING' WHERE state IN ('QUEUED', 'RUNNING', 'PAUSED') "
               "AND prepared_count < total_count")
    op.execute("UPDATE job SET state = 'QUEUED' WHERE state = 'PAUSED'")
    if op.get_context().dialect.name in {'mysql', 'mariadb'}:
        op.create_index('fk_job_storefront_id', 'job', ['storefront_id'])  # the foreign key needs one
    op.drop_index('ix_job_storefront', 'job')
    op.drop_index('ix_job_parent', 'job')
    for name in ('paused_by', 'paused_at', 'over', 'parent_id', 'version', 'concurrency', 'priority'):
        op.drop_column('job', name)
    op.drop_table('product_filter')
