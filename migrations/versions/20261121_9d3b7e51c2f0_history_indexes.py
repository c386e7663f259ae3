"""indexes of deleted products and of filters of the update history.

Revision ID: 9d3b7e51c2f0
Revises: 0f24e213b426
Create Date: 2026-11-21 17:15:00.000000
"""

from alembic import op

revision = '9d3b7e51c2f0'
down_revision = '0f24e213b426'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_product_deleted', 'product', ['deleted_at', 'id'])
    op.create_index('ix_product_update_actor', 'product_update', ['actor_kind', 'actor_id', 'id'])
    op.create_index('ix_product_update_source', 'product_update', ['source', 'id'])
    op.create_index('ix_product_update_storefront', 'product_update', ['storefront_id', 'id'])


def downgrade() -> None:
    op.drop_index('ix_product_update_storefront', table_name='product_update')
    op.drop_index('ix_product_update_source', table_name='product_update')
    op.drop_index('ix_product_update_actor', table_name='product_update')
    op.drop_index('ix_product_deleted', table_name='product')
