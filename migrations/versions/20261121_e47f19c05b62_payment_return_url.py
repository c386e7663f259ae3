"""where a payment's customer goes back to.

Revision ID: e47f19c05b62
Revises: c8e2f4a61d07
Create Date: 2026-11-21 21:10:00.000000
"""

import sqlalchemy as sa
from alembic import op

revision = 'e47f19c05b62'
down_revision = 'c8e2f4a61d07'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('payment', sa.Column('return_url', sa.String(500), nullable=True))


def downgrade() -> None:
    op.drop_column('payment', 'return_url')
