"""indexes for sales of one ASIN or one brand by their days.

Revision ID: a91c3de07f44
Revises: f2b8a1d3c905
Create Date: 2026-11-21 21:10:00.000000
"""

from alembic import op

revision = 'a91c3de07f44'
down_revision = 'f2b8a1d3c905'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index('ix_sale_asin', table_name='sale')
    op.create_index('ix_sale_asin', 'sale', ['asin', 'sold_on', 'id'])
    op.create_index('ix_sale_brand', 'sale', ['brand', 'sold_on', 'id'])


def downgrade() -> None:
    op.drop_index('ix_sale_brand', table_name='sale')
    op.drop_index('ix_sale_asin', table_name='sale')
    op.create_index('ix_sale_asin', 'sale', ['asin', 'id'])
