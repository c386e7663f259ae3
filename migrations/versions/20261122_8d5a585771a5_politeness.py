"""politeness.

Revision ID: 8d5a585771a5
Revises: ba7fef7d985b
Create Date: 2026-11-22 03:20:45.881192
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, LongText, UtcDateTime, key_text

revision = '8d5a585771a5'
down_revision = 'ba7fef7d985b'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('robots_file',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('storefront_id', BigId, nullable=False),
    sa.Column('origin', key_text(300), nullable=False),
    sa.Column('state', key_text(12), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('body', LongText, nullable=True),
    sa.Column('is_whole', sa.Boolean(), nullable=False),
    sa.Column('delay_ms', sa.Integer(), nullable=False),
    sa.Column('problem', sa.String(length=500), nullable=True),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('fetched_at', UtcDateTime(), nullable=True),
    sa.Column('expires_at', UtcDateTime(), nullable=True),
    sa.Column('due_at', UtcDateTime(), nullable=False),
    sa.Column('reading_until', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['storefront_id'], ['storefront.id'], name=op.f('fk_robots_file_storefront_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_robots_file')),
    sa.UniqueConstraint('storefront_id', 'origin', name=op.f('uq_robots_file_storefront_id_origin'))
    )
    op.add_column('storefront', sa.Column('timezone', key_text(64), nullable=False, server_default='UTC'))
    op.add_column('storefront', sa.Column('hours', sa.JSON(none_as_null=True), nullable=True))
    op.add_column('storefront', sa.Column('daily_cap', sa.Integer(), nullable=True))
    op.add_column('storefront', sa.Column('pages_day', key_text(10), nullable=True))
    op.add_column('storefront', sa.Column('pages_count', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('storefront', sa.Column('obeys_robots', sa.Boolean(), nullable=False, server_default='1'))
    op.add_column('storefront', sa.Column('override_reason', sa.String(length=500), nullable=True))
    op.add_column('storefront', sa.Column('overridden_by', key_text(32), nullable=True))
    op.add_column('storefront', sa.Column('overridden_at', UtcDateTime(), nullable=True))
    op.add_column('storefront', sa.Column('crawl_delay_ms', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('storefront', sa.Column('robots_retry_at', UtcDateTime(), nullable=True))
    op.add_column('storefront', sa.Column('blocks', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('storefront', sa.Column('cooldown_s', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('storefront', sa.Column('cooldown_until', UtcDateTime(), nullable=True))


def downgrade() -> None:
    for name in (
        'cooldown_until', 'cooldown_s', 'blocks', 'robots_retry_at', 'crawl_delay_ms', 'overridden_at',
        'overridden_by', 'override_reason', 'obeys_robots', 'pages_count', 'pages_day', 'daily_cap', 'hours', 'timezone',
    ):
        op.drop_column('storefront', name)
    op.drop_table('robots_file')
