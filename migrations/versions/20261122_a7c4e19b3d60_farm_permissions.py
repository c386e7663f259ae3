"""The farm's operators may look after workers where the product was installed before that was a permission.

Revision ID: a7c4e19b3d60
Revises: 6f1d0c83ae52
Create Date: 2026-11-22 07:01:44.902517
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId

revision = 'a7c4e19b3d60'
down_revision = '6f1d0c83ae52'
branch_labels = None
depends_on = None

GRANTED = {'farm operator': ('farm:read', 'farm:write')}
"""What is new for roles that came with the product."""


def upgrade() -> None:
    role = sa.table('role', sa.column('id', BigId), sa.column('name', sa.String), sa.column('is_built_in', sa.Boolean))
    permission = sa.table('role_permission', sa.column('role_id', BigId), sa.column('permission', sa.String))
    for name, permissions in GRANTED.items():
        for granted in permissions:
            has = sa.exists(
                sa.select(permission.c.role_id)
                .where(permission.c.role_id == role.c.id, permission.c.permission == granted)
                .correlate(role)
            )
            mine = (role.c.name == name) & role.c.is_built_in & ~has
            given = sa.select(role.c.id, sa.literal(granted, sa.String)).where(mine)
            op.execute(permission.insert().from_select(['role_id', 'permission'], given))


def downgrade() -> None:
    """Nothing: who has the permission by this migration and who was given it by people are not told apart."""
