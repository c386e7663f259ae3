"""rollups of sales.

Revision ID: 5a1c7e90d3b4
Revises: d41c7be93a02
Create Date: 2026-11-22 13:50:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime, key_text

revision = '5a1c7e90d3b4'
down_revision = 'd41c7be93a02'
branch_labels = None
depends_on = None

CUTS = {'category': ('category_id', BigId), 'brand': ('brand', key_text(255)), 'product': ('asin', key_text(10))}
SUMS = ('facts', 'quantity', 'gross_minor', 'discount_minor', 'tax_minor', 'shipping_minor', 'net_minor')


def sums(*more):
    columns = [sa.Column('currency', key_text(3), nullable=False), sa.Column('kind', key_text(8), nullable=False)]
    return columns + [sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS + more]


def upgrade() -> None:
    # what is there already is counted by the workers, as new facts are
    op.add_column('sale', sa.Column('uncounted', sa.SmallInteger(), server_default=sa.text('1'), nullable=True))
    op.add_column('sale', sa.Column('category_group_id', BigId, nullable=True))
    marked = sa.text('uncounted = 1')
    op.create_index(
        'ix_sale_uncounted', 'sale', ['uncounted', 'sold_on', 'id'], sqlite_where=marked, postgresql_where=marked
    )
    op.create_table('sales_fold',
    sa.Column('id', BigId, autoincrement=False, nullable=False),
    sa.Column('folded_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sales_fold'))
    )
    op.create_table('category_group',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('unique_key', key_text(64), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_category_group')),
    sa.UniqueConstraint('unique_key', name=op.f('uq_category_group_unique_key'))
    )
    op.create_table('category_group_member',
    sa.Column('group_id', BigId, autoincrement=False, nullable=False),
    sa.Column('category_id', BigId, autoincrement=False, nullable=False),
    sa.PrimaryKeyConstraint('group_id', 'category_id', name=op.f('pk_category_group_member'))
    )
    op.create_table('sales_day',
    sa.Column('sold_on', sa.Date(), nullable=False),
    *sums('orders', 'ordered_minor'),
    sa.PrimaryKeyConstraint('sold_on', 'currency', 'kind', name=op.f('pk_sales_day'))
    )
    op.create_table('sales_hour',
    sa.Column('sold_from', UtcDateTime(), nullable=False),
    *sums('orders', 'ordered_minor'),
    sa.PrimaryKeyConstraint('sold_from', 'currency', 'kind', name=op.f('pk_sales_hour'))
    )
    for unit, column in (('day', 'sold_on'), ('month', 'month_on')):
        for cut, (key, kind) in CUTS.items():
            table = f'sales_{unit}_{cut}'
            op.create_table(table,
            sa.Column(column, sa.Date(), nullable=False),
            sa.Column(key, kind, nullable=False, **({'autoincrement': False} if cut == 'category' else {})),
            *sums(),
            sa.PrimaryKeyConstraint(column, key, 'currency', 'kind', name=op.f(f'pk_{table}'))
            )
            op.create_index(f'ix_{table}', table, [key, column])
    op.create_table('sales_rank',
    sa.Column('days', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('cut', key_text(8), nullable=False),
    sa.Column('measure', key_text(8), nullable=False),
    sa.Column('currency', key_text(3), nullable=False),
    sa.Column('place', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('key', key_text(255), nullable=False),
    sa.Column('last_on', sa.Date(), nullable=False),
    sa.PrimaryKeyConstraint('days', 'cut', 'measure', 'currency', 'place', name=op.f('pk_sales_rank'))
    )


def downgrade() -> None:
    op.drop_table('sales_rank')
    for unit in ('month', 'day'):
        for cut in CUTS:
            op.drop_table(f'sales_{unit}_{cut}')
    for table in ('sales_hour', 'sales_day', 'category_group_member', 'category_group', 'sales_fold'):
        op.drop_table(table)
    op.drop_index('ix_sale_uncounted', table_name='sale')
    op.drop_column('sale', 'category_group_id')
    op.drop_column('sale', 'uncounted')
