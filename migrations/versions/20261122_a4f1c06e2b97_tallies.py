"""tallies.

Revision ID: a4f1c06e2b97
Revises: 16eb68d641b6
Create Date: 2026-11-22 04:00:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import UtcDateTime, key_text

revision = 'a4f1c06e2b97'
down_revision = '16eb68d641b6'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('tally',
    sa.Column('source', key_text(128), nullable=False),
    sa.Column('counts', sa.JSON(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('source', name=op.f('pk_tally'))
    )
    op.create_index(op.f('ix_tally_updated_at'), 'tally', ['updated_at'])
    op.add_column('leader', sa.Column('since', UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column('leader', 'since')
    op.drop_table('tally')
