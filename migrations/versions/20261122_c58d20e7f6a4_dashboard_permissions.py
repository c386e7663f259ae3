"""Built-in roles may see the dashboard, and analysts may keep reports, where the product was installed before.

Revision ID: c58d20e7f6a4
Revises: b3f7a91c5e20
Create Date: 2026-11-22 13:30:12.480113
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId

revision = 'c58d20e7f6a4'
down_revision = 'b3f7a91c5e20'
branch_labels = None
depends_on = None

GRANTED = {
    'catalogue manager': ('dashboard:read',),
    'farm operator': ('dashboard:read',),
    'order desk': ('dashboard:read',),
    'analyst': ('dashboard:read', 'reports:read', 'reports:write'),
}
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
