"""price gap age.

Revision ID: f6b20c94d7e1
Revises: e92f4b60d1a7
Create Date: 2026-11-22 17:15:00.000000
"""

from alembic import op

revision = 'f6b20c94d7e1'
down_revision = 'e92f4b60d1a7'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_price_gap_observed', 'price_gap', ['observed_at', 'product_id', 'storefront_id'])
    op.drop_index('ix_price_gap_storefront', 'price_gap')
    op.create_index(
        'ix_price_gap_storefront', 'price_gap', ['storefront_id', 'log_ratio', 'product_id', 'comparison']
    )


def downgrade() -> None:
    op.drop_index('ix_price_gap_storefront', 'price_gap')
    op.create_index('ix_price_gap_storefront', 'price_gap', ['storefront_id', 'log_ratio', 'product_id'])
    op.drop_index('ix_price_gap_observed', 'price_gap')
