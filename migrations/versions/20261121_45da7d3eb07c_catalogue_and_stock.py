"""catalogue and stock.

Revision ID: 45da7d3eb07c
Revises: 2b68c8d646ae
Create Date: 2026-11-21 16:53:47.676301
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, LongText, UtcDateTime, key_text

revision = '45da7d3eb07c'
down_revision = '2b68c8d646ae'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('category',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('parent_id', BigId, nullable=True),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('slug', key_text(140), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['parent_id'], ['category.id'], name=op.f('fk_category_parent_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_category')),
    sa.UniqueConstraint('slug', name=op.f('uq_category_slug'))
    )
    with op.batch_alter_table('category', schema=None) as batch_op:
        batch_op.create_index('ix_category_parent', ['parent_id', 'position', 'id'], unique=False)

    op.create_table('allocation',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('product_id', BigId, nullable=False),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.Column('reference_kind', key_text(16), nullable=False),
    sa.Column('reference_id', BigId, nullable=False),
    sa.Column('label', sa.String(length=64), nullable=False),
    sa.CheckConstraint('quantity > 0', name=op.f('ck_allocation_quantity_positive')),
    sa.ForeignKeyConstraint(['product_id'], ['product.id'], name=op.f('fk_allocation_product_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_allocation')),
    sa.UniqueConstraint('reference_kind', 'reference_id', 'product_id', name=op.f('uq_allocation_reference_kind_reference_id_product_id'))
    )
    with op.batch_alter_table('allocation', schema=None) as batch_op:
        batch_op.create_index('ix_allocation_product', ['product_id', 'id'], unique=False)

    op.create_table('product_category',
    sa.Column('category_id', BigId, autoincrement=False, nullable=False),
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.Column('is_direct', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['category_id'], ['category.id'], name=op.f('fk_product_category_category_id')),
    sa.ForeignKeyConstraint(['product_id'], ['product.id'], name=op.f('fk_product_category_product_id')),
    sa.PrimaryKeyConstraint('category_id', 'product_id', name=op.f('pk_product_category'))
    )
    with op.batch_alter_table('product_category', schema=None) as batch_op:
        batch_op.create_index('ix_product_category_product', ['product_id'], unique=False)

    op.create_table('stock',
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.Column('on_hand', sa.Integer(), nullable=False),
    sa.Column('allocated', sa.Integer(), nullable=False),
    sa.Column('low_stock_threshold', sa.Integer(), nullable=True),
    sa.Column('is_low', sa.Boolean(), nullable=False),
    sa.Column('is_available', sa.Boolean(), sa.Computed('on_hand > allocated', persisted=True), nullable=True),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint('allocated >= 0 AND allocated <= on_hand', name=op.f('ck_stock_allocated_within_on_hand')),
    sa.CheckConstraint('low_stock_threshold >= 0', name=op.f('ck_stock_threshold_not_negative')),
    sa.CheckConstraint('on_hand >= 0 AND on_hand <= 1000000000', name=op.f('ck_stock_on_hand_in_range')),
    sa.ForeignKeyConstraint(['product_id'], ['product.id'], name=op.f('fk_stock_product_id')),
    sa.PrimaryKeyConstraint('product_id', name=op.f('pk_stock'))
    )
    with op.batch_alter_table('stock', schema=None) as batch_op:
        batch_op.create_index('ix_stock_available', ['is_available', 'product_id'], unique=False)
        batch_op.create_index('ix_stock_low', ['is_low', 'product_id'], unique=False)

    op.create_table('stock_movement',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('product_id', BigId, nullable=False),
    sa.Column('kind', key_text(16), nullable=False),
    sa.Column('on_hand_delta', sa.Integer(), nullable=False),
    sa.Column('allocated_delta', sa.Integer(), nullable=False),
    sa.Column('reason', sa.String(length=500), nullable=True),
    sa.Column('reference_kind', key_text(16), nullable=True),
    sa.Column('reference_id', BigId, nullable=True),
    sa.Column('operation_id', BigId, nullable=True),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.ForeignKeyConstraint(['product_id'], ['product.id'], name=op.f('fk_stock_movement_product_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stock_movement'))
    )
    with op.batch_alter_table('stock_movement', schema=None) as batch_op:
        batch_op.create_index('ix_stock_movement_operation', ['operation_id', 'id'], unique=False)
        batch_op.create_index('ix_stock_movement_product', ['product_id', 'id'], unique=False)

    op.add_column('product', sa.Column('gtin', key_text(14), nullable=True))
    for name, empty in (('attributes', '{}'), ('images', '[]'), ('categories', '[]')):
        op.add_column('product', sa.Column(name, LongText, nullable=False, server_default=_text_default(empty)))
    for name, column in (('gtin', 'gtin'), ('name', 'name'), ('price', 'price_minor'), ('updated', 'updated_at')):
        op.create_index(f'ix_product_{name}', 'product', [column, 'id'])
    op.add_column('product_update', sa.Column('operation_id', BigId, nullable=True))
    op.add_column('product_update', sa.Column('reverts_id', BigId, nullable=True))
    op.create_index('ix_product_update_operation', 'product_update', ['operation_id', 'id'])
    _add_stock()
    _grant()


def _text_default(value: str) -> sa.TextClause:
    """MySQL takes defaults of long texts as expressions only, SQLite those of new columns as literals only."""
    literal = f"'{value}'"
    return sa.text(literal if op.get_context().dialect.name == 'sqlite' else f'({literal})')


def _add_stock() -> None:
    """A row of stock, with nothing there, for every product that there is already."""
    product = sa.table('product', sa.column('id', BigId))
    stock = sa.table(
        'stock', sa.column('product_id', BigId), sa.column('on_hand', sa.Integer), sa.column('allocated', sa.Integer),
        sa.column('is_low', sa.Boolean), sa.column('updated_at', UtcDateTime()),
    )
    nothing = sa.select(
        product.c.id, sa.literal(0, sa.Integer), sa.literal(0, sa.Integer), sa.false(),
        sa.literal(datetime.now(UTC), UtcDateTime()),
    )
    op.execute(stock.insert().from_select(['product_id', 'on_hand', 'allocated', 'is_low', 'updated_at'], nothing))


GRANTED = {
    'catalogue manager': ('stock:read', 'stock:write'),
    'order desk': ('stock:read',),
    'analyst': ('stock:read',),
}
"""What is new for roles that came with the product."""


def _grant() -> None:
    role = sa.table('role', sa.column('id', BigId), sa.column('name', sa.String), sa.column('is_built_in', sa.Boolean))
    permission = sa.table('role_permission', sa.column('role_id', BigId), sa.column('permission', sa.String))
    for name, permissions in GRANTED.items():
        mine = (role.c.name == name) & role.c.is_built_in
        for granted in permissions:
            given = sa.select(role.c.id, sa.literal(granted, sa.String)).where(mine)
            op.execute(permission.insert().from_select(['role_id', 'permission'], given))


def downgrade() -> None:
    permission = sa.table('role_permission', sa.column('permission', sa.String))
    op.execute(permission.delete().where(permission.c.permission.in_(['stock:read', 'stock:write'])))
    op.drop_index('ix_product_update_operation', table_name='product_update')
    op.drop_column('product_update', 'reverts_id')
    op.drop_column('product_update', 'operation_id')
    for name in ('updated', 'price', 'name', 'gtin'):
        op.drop_index(f'ix_product_{name}', table_name='product')
    for column in ('categories', 'images', 'attributes', 'gtin'):
        op.drop_column('product', column)
    op.drop_table('stock_movement')
    op.drop_table('stock')
    op.drop_table('product_category')
    op.drop_table('allocation')
    op.drop_table('category')
