"""longer names of kinds of operations.

Revision ID: c8e2f4a61d07
Revises: 7b3e90d2ac14
Create Date: 2026-11-21 21:00:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import key_text

revision = 'c8e2f4a61d07'
down_revision = '7b3e90d2ac14'
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name != 'sqlite':  # which keeps texts of any length in any column
        op.alter_column('operation', 'kind', existing_type=key_text(8), type_=key_text(24), existing_nullable=False)


def downgrade() -> None:
    longer = "SELECT id FROM operation WHERE LENGTH(kind) > 8"
    op.execute(sa.text(f"DELETE FROM operation_row WHERE operation_id IN ({longer})"))
    op.execute(sa.text("DELETE FROM operation WHERE LENGTH(kind) > 8"))
    if op.get_context().dialect.name != 'sqlite':
        op.alter_column('operation', 'kind', existing_type=key_text(24), type_=key_text(8), existing_nullable=False)
