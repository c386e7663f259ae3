"""category tree.

Revision ID: e7c41d0a95b2
Revises: ac46b0d748f6
Create Date: 2026-11-21 17:10:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime, key_text

revision = 'e7c41d0a95b2'
down_revision = 'ac46b0d748f6'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('category_tree',
    sa.Column('id', BigId, autoincrement=False, nullable=False),
    sa.Column('stamp', key_text(32), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_category_tree'))
    )


def downgrade() -> None:
    op.drop_table('category_tree')
