"""options of jobs.

Revision ID: 05f552372748
Revises: b41f7a2c9d06
Create Date: 2026-11-22 03:31:00.824193
"""

import sqlalchemy as sa
from alembic import op

revision = '05f552372748'
down_revision = 'b41f7a2c9d06'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('job', sa.Column('options', sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column('job', 'options')
