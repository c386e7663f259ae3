"""orders.

Revision ID: 2ef4c5e74374
Revises: b3f0c9d27a41
Create Date: 2026-11-21 20:12:39.991874
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, LongText, UtcDateTime, key_text

revision = '2ef4c5e74374'
down_revision = 'b3f0c9d27a41'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('coupon',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('code', key_text(40), nullable=False),
    sa.Column('description', sa.String(length=200), nullable=False),
    sa.Column('kind', key_text(8), nullable=False),
    sa.Column('percent_ppm', sa.Integer(), nullable=True),
    sa.Column('amount_minor', sa.BigInteger(), nullable=True),
    sa.Column('minimum_minor', sa.BigInteger(), nullable=False),
    sa.Column('starts_at', UtcDateTime(), nullable=True),
    sa.Column('ends_at', UtcDateTime(), nullable=True),
    sa.Column('max_uses', sa.Integer(), nullable=True),
    sa.Column('max_per_customer', sa.Integer(), nullable=True),
    sa.Column('used', sa.Integer(), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('deleted_at', UtcDateTime(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint('(percent_ppm IS NULL) <> (amount_minor IS NULL)', name=op.f('ck_coupon_percent_or_amount')),
    sa.CheckConstraint('amount_minor IS NULL OR amount_minor > 0', name=op.f('ck_coupon_amount_positive')),
    sa.CheckConstraint('percent_ppm IS NULL OR (percent_ppm > 0 AND percent_ppm <= 1000000)', name=op.f('ck_coupon_percent_in_range')),
    sa.CheckConstraint('used >= 0 AND (max_uses IS NULL OR used <= max_uses)', name=op.f('ck_coupon_used_within_limit')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_coupon')),
    sa.UniqueConstraint('code', name=op.f('uq_coupon_code'))
    )
    op.create_table('provider_event',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('provider', key_text(16), nullable=False),
    sa.Column('event_id', key_text(128), nullable=False),
    sa.Column('kind', key_text(64), nullable=False),
    sa.Column('payment_ref', key_text(128), nullable=True),
    sa.Column('body', LongText, nullable=False),
    sa.Column('received_at', UtcDateTime(), nullable=False),
    sa.Column('handled_at', UtcDateTime(), nullable=True),
    sa.Column('outcome', sa.String(length=200), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_provider_event')),
    sa.UniqueConstraint('provider', 'event_id', name=op.f('uq_provider_event_provider_event_id'))
    )
    with op.batch_alter_table('provider_event', schema=None) as batch_op:
        batch_op.create_index('ix_provider_event_open', ['handled_at', 'id'], unique=False)
        batch_op.create_index('ix_provider_event_received', ['received_at', 'id'], unique=False)

    op.create_table('sale',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('unique_key', key_text(80), nullable=False),
    sa.Column('kind', key_text(8), nullable=False),
    sa.Column('sold_at', UtcDateTime(), nullable=False),
    sa.Column('sold_on', sa.Date(), nullable=False),
    sa.Column('order_id', BigId, nullable=True),
    sa.Column('order_line_id', BigId, nullable=True),
    sa.Column('refund_id', BigId, nullable=True),
    sa.Column('operation_id', BigId, nullable=True),
    sa.Column('product_id', BigId, nullable=True),
    sa.Column('asin', key_text(10), nullable=False),
    sa.Column('name', sa.String(length=500), nullable=False),
    sa.Column('brand', key_text(255), nullable=True),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.Column('currency', key_text(3), nullable=False),
    sa.Column('gross_minor', sa.BigInteger(), nullable=False),
    sa.Column('discount_minor', sa.BigInteger(), nullable=False),
    sa.Column('tax_minor', sa.BigInteger(), nullable=False),
    sa.Column('shipping_minor', sa.BigInteger(), nullable=False),
    sa.Column('net_minor', sa.BigInteger(), nullable=False),
    sa.Column('total_minor', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('total_minor = net_minor + shipping_minor + tax_minor', name=op.f('ck_sale_total_adds_up')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sale')),
    sa.UniqueConstraint('unique_key', name=op.f('uq_sale_unique_key'))
    )
    with op.batch_alter_table('sale', schema=None) as batch_op:
        batch_op.create_index('ix_sale_asin', ['asin', 'id'], unique=False)
        batch_op.create_index('ix_sale_day', ['sold_on', 'id'], unique=False)
        batch_op.create_index('ix_sale_operation', ['operation_id', 'id'], unique=False)
        batch_op.create_index('ix_sale_order', ['order_id', 'id'], unique=False)
        batch_op.create_index('ix_sale_product', ['product_id', 'sold_on', 'id'], unique=False)
        batch_op.create_index('ix_sale_sold', ['sold_at', 'id'], unique=False)

    op.create_table('cart',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('user_id', BigId, nullable=True),
    sa.Column('open_user_id', BigId, nullable=True),
    sa.Column('token_hash', key_text(64), nullable=True),
    sa.Column('state', key_text(8), nullable=False),
    sa.Column('note', sa.String(length=1000), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_cart_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_cart')),
    sa.UniqueConstraint('open_user_id', name=op.f('uq_cart_open_user_id')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_cart_token_hash'))
    )
    with op.batch_alter_table('cart', schema=None) as batch_op:
        batch_op.create_index('ix_cart_expires', ['expires_at', 'id'], unique=False)
        batch_op.create_index('ix_cart_user', ['user_id', 'id'], unique=False)

    op.create_table('coupon_customer',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('coupon_id', BigId, nullable=False),
    sa.Column('customer_hash', key_text(64), nullable=False),
    sa.Column('used', sa.Integer(), nullable=False),
    sa.CheckConstraint('used >= 0', name=op.f('ck_coupon_customer_used_not_negative')),
    sa.ForeignKeyConstraint(['coupon_id'], ['coupon.id'], name=op.f('fk_coupon_customer_coupon_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_coupon_customer')),
    sa.UniqueConstraint('coupon_id', 'customer_hash', name=op.f('uq_coupon_customer_coupon_id_customer_hash'))
    )
    op.create_table('order',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('cart_id', BigId, nullable=True),
    sa.Column('user_id', BigId, nullable=True),
    sa.Column('email', key_text(254), nullable=False),
    sa.Column('state', key_text(12), nullable=False),
    sa.Column('payment_state', key_text(20), nullable=False),
    sa.Column('fulfilment_state', key_text(20), nullable=False),
    sa.Column('payment_method', key_text(16), nullable=False),
    sa.Column('attention', key_text(32), nullable=True),
    sa.Column('currency', key_text(3), nullable=False),
    sa.Column('tax_rate_ppm', sa.Integer(), nullable=False),
    sa.Column('tax_included', sa.Boolean(), nullable=False),
    sa.Column('subtotal_minor', sa.BigInteger(), nullable=False),
    sa.Column('discount_minor', sa.BigInteger(), nullable=False),
    sa.Column('shipping_minor', sa.BigInteger(), nullable=False),
    sa.Column('tax_minor', sa.BigInteger(), nullable=False),
    sa.Column('total_minor', sa.BigInteger(), nullable=False),
    sa.Column('cancelled_minor', sa.BigInteger(), nullable=False),
    sa.Column('coupon_code', key_text(40), nullable=True),
    sa.Column('note', sa.String(length=1000), nullable=False),
    sa.Column('shipping_address', LongText, nullable=False),
    sa.Column('billing_address', LongText, nullable=False),
    sa.Column('placed_at', UtcDateTime(), nullable=True),
    sa.Column('placed_on', sa.Date(), nullable=True),
    sa.Column('paid_at', UtcDateTime(), nullable=True),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint('cancelled_minor >= 0 AND cancelled_minor <= total_minor', name=op.f('ck_order_cancelled_within_total')),
    sa.CheckConstraint('total_minor >= 0', name=op.f('ck_order_total_not_negative')),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_order_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_order')),
    sa.UniqueConstraint('cart_id', name=op.f('uq_order_cart_id'))
    )
    with op.batch_alter_table('order', schema=None) as batch_op:
        batch_op.create_index('ix_order_attention', ['attention', 'id'], unique=False)
        batch_op.create_index('ix_order_email', ['email', 'id'], unique=False)
        batch_op.create_index('ix_order_fulfilment', ['fulfilment_state', 'id'], unique=False)
        batch_op.create_index('ix_order_payment', ['payment_state', 'id'], unique=False)
        batch_op.create_index('ix_order_placed', ['placed_at', 'id'], unique=False)
        batch_op.create_index('ix_order_state', ['state', 'id'], unique=False)
        batch_op.create_index('ix_order_user', ['user_id', 'id'], unique=False)

    op.create_table('cart_item',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('cart_id', BigId, nullable=False),
    sa.Column('product_id', BigId, nullable=False),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.Column('added_at', UtcDateTime(), nullable=False),
    sa.Column('seen_price_minor', sa.BigInteger(), nullable=False),
    sa.Column('seen_is_available', sa.Boolean(), nullable=False),
    sa.CheckConstraint('quantity >= 1 AND quantity <= 999', name=op.f('ck_cart_item_quantity_in_range')),
    sa.ForeignKeyConstraint(['cart_id'], ['cart.id'], name=op.f('fk_cart_item_cart_id')),
    sa.ForeignKeyConstraint(['product_id'], ['product.id'], name=op.f('fk_cart_item_product_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_cart_item')),
    sa.UniqueConstraint('cart_id', 'product_id', name=op.f('uq_cart_item_cart_id_product_id'))
    )
    with op.batch_alter_table('cart_item', schema=None) as batch_op:
        batch_op.create_index('ix_cart_item_product', ['product_id'], unique=False)

    op.create_table('coupon_use',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('coupon_id', BigId, nullable=False),
    sa.Column('order_id', BigId, nullable=False),
    sa.Column('customer_hash', key_text(64), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['coupon_id'], ['coupon.id'], name=op.f('fk_coupon_use_coupon_id')),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_coupon_use_order_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_coupon_use')),
    sa.UniqueConstraint('order_id', name=op.f('uq_coupon_use_order_id'))
    )
    with op.batch_alter_table('coupon_use', schema=None) as batch_op:
        batch_op.create_index('ix_coupon_use_customer', ['coupon_id', 'customer_hash'], unique=False)

    op.create_table('hold',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('order_id', BigId, nullable=False),
    sa.Column('state', key_text(8), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_hold_order_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_hold')),
    sa.UniqueConstraint('order_id', name=op.f('uq_hold_order_id'))
    )
    with op.batch_alter_table('hold', schema=None) as batch_op:
        batch_op.create_index('ix_hold_due', ['state', 'expires_at', 'id'], unique=False)

    op.create_table('order_event',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('order_id', BigId, nullable=False),
    sa.Column('kind', key_text(32), nullable=False),
    sa.Column('before', key_text(32), nullable=True),
    sa.Column('after', key_text(32), nullable=True),
    sa.Column('is_public', sa.Boolean(), nullable=False),
    sa.Column('details', LongText, nullable=False),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_order_event_order_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_order_event'))
    )
    with op.batch_alter_table('order_event', schema=None) as batch_op:
        batch_op.create_index('ix_order_event_order', ['order_id', 'id'], unique=False)

    op.create_table('order_line',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('order_id', BigId, nullable=False),
    sa.Column('product_id', BigId, nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('asin', key_text(10), nullable=False),
    sa.Column('name', sa.String(length=500), nullable=False),
    sa.Column('brand', key_text(255), nullable=True),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.Column('unit_price_minor', sa.BigInteger(), nullable=False),
    sa.Column('subtotal_minor', sa.BigInteger(), nullable=False),
    sa.Column('discount_minor', sa.BigInteger(), nullable=False),
    sa.Column('shipping_minor', sa.BigInteger(), nullable=False),
    sa.Column('shipping_tax_minor', sa.BigInteger(), nullable=False),
    sa.Column('tax_minor', sa.BigInteger(), nullable=False),
    sa.Column('total_minor', sa.BigInteger(), nullable=False),
    sa.Column('cancelled', sa.Integer(), nullable=False),
    sa.Column('shipped', sa.Integer(), nullable=False),
    sa.Column('returned', sa.Integer(), nullable=False),
    sa.CheckConstraint('cancelled >= 0 AND shipped >= 0 AND returned >= 0', name=op.f('ck_order_line_counts_not_negative')),
    sa.CheckConstraint('discount_minor >= 0 AND discount_minor <= subtotal_minor', name=op.f('ck_order_line_discount_within_subtotal')),
    sa.CheckConstraint('quantity >= 1', name=op.f('ck_order_line_quantity_positive')),
    sa.CheckConstraint('returned <= shipped', name=op.f('ck_order_line_returned_within_shipped')),
    sa.CheckConstraint('shipped + cancelled <= quantity', name=op.f('ck_order_line_shipped_within_quantity')),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_order_line_order_id')),
    sa.ForeignKeyConstraint(['product_id'], ['product.id'], name=op.f('fk_order_line_product_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_order_line')),
    sa.UniqueConstraint('order_id', 'product_id', name=op.f('uq_order_line_order_id_product_id'))
    )
    with op.batch_alter_table('order_line', schema=None) as batch_op:
        batch_op.create_index('ix_order_line_product', ['product_id', 'order_id'], unique=False)

    op.create_table('order_link',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('order_id', BigId, nullable=False),
    sa.Column('token_hash', key_text(64), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_order_link_order_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_order_link')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_order_link_token_hash'))
    )
    with op.batch_alter_table('order_link', schema=None) as batch_op:
        batch_op.create_index('ix_order_link_expires', ['expires_at', 'id'], unique=False)
        batch_op.create_index('ix_order_link_order', ['order_id'], unique=False)

    op.create_table('payment',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('order_id', BigId, nullable=False),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('active_order_id', BigId, nullable=True),
    sa.Column('provider', key_text(16), nullable=False),
    sa.Column('method', key_text(16), nullable=False),
    sa.Column('status', key_text(12), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('currency', key_text(3), nullable=False),
    sa.Column('captured_minor', sa.BigInteger(), nullable=False),
    sa.Column('refunded_minor', sa.BigInteger(), nullable=False),
    sa.Column('idempotency_key', key_text(64), nullable=False),
    sa.Column('provider_ref', key_text(128), nullable=True),
    sa.Column('source_ref', key_text(128), nullable=True),
    sa.Column('reference', sa.String(length=200), nullable=True),
    sa.Column('error_code', key_text(64), nullable=True),
    sa.Column('captured_at', UtcDateTime(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint('amount_minor >= 0', name=op.f('ck_payment_amount_not_negative')),
    sa.CheckConstraint('captured_minor >= 0 AND captured_minor <= amount_minor', name=op.f('ck_payment_captured_within_amount')),
    sa.CheckConstraint('refunded_minor >= 0 AND refunded_minor <= captured_minor', name=op.f('ck_payment_refunded_within_captured')),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_payment_order_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payment')),
    sa.UniqueConstraint('active_order_id', name=op.f('uq_payment_active_order_id')),
    sa.UniqueConstraint('idempotency_key', name=op.f('uq_payment_idempotency_key')),
    sa.UniqueConstraint('order_id', 'attempt', name=op.f('uq_payment_order_id_attempt')),
    sa.UniqueConstraint('provider', 'provider_ref', name=op.f('uq_payment_provider_provider_ref'))
    )
    with op.batch_alter_table('payment', schema=None) as batch_op:
        batch_op.create_index('ix_payment_status', ['status', 'id'], unique=False)

    op.create_table('shipment',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('order_id', BigId, nullable=False),
    sa.Column('state', key_text(12), nullable=False),
    sa.Column('carrier', sa.String(length=60), nullable=False),
    sa.Column('tracking_number', key_text(60), nullable=True),
    sa.Column('tracking_url', sa.String(length=500), nullable=True),
    sa.Column('shipped_at', UtcDateTime(), nullable=False),
    sa.Column('delivered_at', UtcDateTime(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_shipment_order_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_shipment'))
    )
    with op.batch_alter_table('shipment', schema=None) as batch_op:
        batch_op.create_index('ix_shipment_order', ['order_id', 'id'], unique=False)
        batch_op.create_index('ix_shipment_tracking', ['tracking_number'], unique=False)

    op.create_table('refund',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('order_id', BigId, nullable=False),
    sa.Column('payment_id', BigId, nullable=False),
    sa.Column('provider', key_text(16), nullable=False),
    sa.Column('status', key_text(12), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('currency', key_text(3), nullable=False),
    sa.Column('reason', sa.String(length=500), nullable=False),
    sa.Column('idempotency_key', key_text(64), nullable=False),
    sa.Column('provider_ref', key_text(128), nullable=True),
    sa.Column('error_code', key_text(64), nullable=True),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_refund_amount_positive')),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_refund_order_id')),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_refund_payment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refund')),
    sa.UniqueConstraint('idempotency_key', name=op.f('uq_refund_idempotency_key')),
    sa.UniqueConstraint('provider', 'provider_ref', name=op.f('uq_refund_provider_provider_ref'))
    )
    with op.batch_alter_table('refund', schema=None) as batch_op:
        batch_op.create_index('ix_refund_order', ['order_id', 'id'], unique=False)
        batch_op.create_index('ix_refund_status', ['status', 'id'], unique=False)

    op.create_table('shipment_line',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('shipment_id', BigId, nullable=False),
    sa.Column('order_line_id', BigId, nullable=False),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.CheckConstraint('quantity > 0', name=op.f('ck_shipment_line_quantity_positive')),
    sa.ForeignKeyConstraint(['order_line_id'], ['order_line.id'], name=op.f('fk_shipment_line_order_line_id')),
    sa.ForeignKeyConstraint(['shipment_id'], ['shipment.id'], name=op.f('fk_shipment_line_shipment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_shipment_line')),
    sa.UniqueConstraint('shipment_id', 'order_line_id', name=op.f('uq_shipment_line_shipment_id_order_line_id'))
    )
    with op.batch_alter_table('shipment_line', schema=None) as batch_op:
        batch_op.create_index('ix_shipment_line_line', ['order_line_id'], unique=False)

    op.create_table('order_return',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('order_id', BigId, nullable=False),
    sa.Column('reason', sa.String(length=500), nullable=False),
    sa.Column('refund_id', BigId, nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('actor_kind', key_text(8), nullable=False),
    sa.Column('actor_id', BigId, nullable=True),
    sa.Column('request_id', key_text(64), nullable=True),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_order_return_order_id')),
    sa.ForeignKeyConstraint(['refund_id'], ['refund.id'], name=op.f('fk_order_return_refund_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_order_return'))
    )
    with op.batch_alter_table('order_return', schema=None) as batch_op:
        batch_op.create_index('ix_order_return_order', ['order_id', 'id'], unique=False)

    op.create_table('refund_line',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('refund_id', BigId, nullable=False),
    sa.Column('order_line_id', BigId, nullable=False),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('tax_minor', sa.BigInteger(), nullable=False),
    sa.Column('shipping_minor', sa.BigInteger(), nullable=False),
    sa.Column('discount_minor', sa.BigInteger(), nullable=False),
    sa.Column('gross_minor', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('quantity >= 0 AND amount_minor >= 0', name=op.f('ck_refund_line_not_negative')),
    sa.ForeignKeyConstraint(['order_line_id'], ['order_line.id'], name=op.f('fk_refund_line_order_line_id')),
    sa.ForeignKeyConstraint(['refund_id'], ['refund.id'], name=op.f('fk_refund_line_refund_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refund_line')),
    sa.UniqueConstraint('refund_id', 'order_line_id', name=op.f('uq_refund_line_refund_id_order_line_id'))
    )
    with op.batch_alter_table('refund_line', schema=None) as batch_op:
        batch_op.create_index('ix_refund_line_line', ['order_line_id'], unique=False)

    op.create_table('order_return_line',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('order_return_id', BigId, nullable=False),
    sa.Column('order_line_id', BigId, nullable=False),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.Column('resaleable', sa.Integer(), nullable=False),
    sa.CheckConstraint('quantity > 0', name=op.f('ck_order_return_line_quantity_positive')),
    sa.CheckConstraint('resaleable >= 0 AND resaleable <= quantity', name=op.f('ck_order_return_line_resaleable_within_quantity')),
    sa.ForeignKeyConstraint(['order_line_id'], ['order_line.id'], name=op.f('fk_order_return_line_order_line_id')),
    sa.ForeignKeyConstraint(['order_return_id'], ['order_return.id'], name=op.f('fk_order_return_line_order_return_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_order_return_line')),
    sa.UniqueConstraint('order_return_id', 'order_line_id', name=op.f('uq_order_return_line_order_return_id_order_line_id'))
    )
    with op.batch_alter_table('order_return_line', schema=None) as batch_op:
        batch_op.create_index('ix_order_return_line_line', ['order_line_id'], unique=False)

    _grant()


GRANTED = {
    'order desk': ('orders:read', 'orders:write', 'refunds:write', 'coupons:read'),
    'analyst': ('coupons:read', 'sales:read'),
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
    new = ['orders:read', 'orders:write', 'refunds:write', 'coupons:read', 'coupons:write', 'sales:read', 'sales:write']
    op.execute(permission.delete().where(permission.c.permission.in_(new)))
    op.drop_table('order_return_line')
    op.drop_table('refund_line')
    op.drop_table('order_return')
    op.drop_table('shipment_line')
    op.drop_table('refund')
    op.drop_table('shipment')
    op.drop_table('payment')
    op.drop_table('order_link')
    op.drop_table('order_line')
    op.drop_table('order_event')
    op.drop_table('hold')
    op.drop_table('coupon_use')
    op.drop_table('cart_item')
    op.drop_table('order')
    op.drop_table('coupon_customer')
    op.drop_table('cart')
    op.drop_table('sale')
    op.drop_table('provider_event')
    op.drop_table('coupon')
