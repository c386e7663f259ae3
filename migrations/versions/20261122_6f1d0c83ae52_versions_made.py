"""Numbers of profile versions are not given twice.

Revision ID: 6f1d0c83ae52
Revises: 5502526a253b
Create Date: 2026-11-22 06:58:10.114082
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId

revision = '6f1d0c83ae52'
down_revision = '5502526a253b'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('storefront', sa.Column('versions_made', sa.Integer(), nullable=False, server_default='0'))
    shop = sa.table('storefront', sa.column('id', BigId), sa.column('versions_made', sa.Integer))
    version = sa.table('profile_version', sa.column('storefront_id', BigId), sa.column('number', sa.Integer))
    last = sa.select(sa.func.coalesce(sa.func.max(version.c.number), 0)).where(version.c.storefront_id == shop.c.id)
    op.execute(shop.update().values(versions_made=last.scalar_subquery()))


def downgrade() -> None:
    op.drop_column('storefront', 'versions_made')
