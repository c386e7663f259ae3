"""The farm is added up anew, now by month as well and of each worker altogether: the next step begins where no mark is.

Revision ID: f5b1d83c2e70
Revises: f6b20c94d7e1
Create Date: 2026-11-22 17:35:00.000000
"""

import sqlalchemy as sa
from alembic import op

revision = 'f5b1d83c2e70'
down_revision = 'f6b20c94d7e1'
branch_labels = None
depends_on = None


def upgrade() -> None:
    _forget()


def downgrade() -> None:
    _forget()


def _forget() -> None:
    op.execute(sa.delete(sa.table('farm_mark')))
    op.execute(sa.delete(sa.table('farm_bucket')))
