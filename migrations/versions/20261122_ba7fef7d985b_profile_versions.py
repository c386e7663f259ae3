"""profile versions.

Revision ID: ba7fef7d985b
Revises: 8c51d2e6f4a0
Create Date: 2026-11-22 03:19:05.982991
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime, key_text

revision = 'ba7fef7d985b'
down_revision = '8c51d2e6f4a0'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('profile_version',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('storefront_id', BigId, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('state', key_text(8), nullable=False),
    sa.Column('profile', sa.JSON(), nullable=False),
    sa.Column('note', sa.String(length=500), nullable=True),
    sa.Column('copy_of', sa.Integer(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('activated_at', UtcDateTime(), nullable=True),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.ForeignKeyConstraint(['storefront_id'], ['storefront.id'], name=op.f('fk_profile_version_storefront_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_profile_version')),
    sa.UniqueConstraint('storefront_id', 'number', name=op.f('uq_profile_version_storefront_id_number'))
    )
    op.add_column('observation', sa.Column('profile_version', sa.Integer(), nullable=True))
    op.add_column('storefront', sa.Column('profile_version', sa.Integer(), nullable=False, server_default='1'))
    op.add_column('task', sa.Column('profile_version', sa.Integer(), nullable=True))
    _make_first_versions()


def downgrade() -> None:
    op.drop_column('task', 'profile_version')
    op.drop_column('storefront', 'profile_version')
    op.drop_column('observation', 'profile_version')
    op.drop_table('profile_version')


def _make_first_versions() -> None:
    """Let the profile that each storefront has be its version 1."""
    op.execute(
        "INSERT INTO profile_version (storefront_id, number, state, profile, created_at, activated_at, actor_kind) "
        "SELECT id, 1, 'ACTIVE', profile, updated_at, updated_at, 'system' FROM storefront"
    )
