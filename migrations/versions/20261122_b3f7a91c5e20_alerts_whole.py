"""alerts whole.

Revision ID: b3f7a91c5e20
Revises: d31b7a60f4e8
Create Date: 2026-11-22 07:05:12.301744
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, key_text

revision = 'b3f7a91c5e20'
down_revision = 'd31b7a60f4e8'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('alert_rule', sa.Column('category_id', BigId, nullable=True))
    op.add_column('alert_rule', sa.Column('product_filter_id', BigId, nullable=True))
    op.add_column('alert_rule', sa.Column('mail', key_text(8), server_default='never', nullable=False))
    op.add_column('alert_rule', sa.Column('tells_webhooks', sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column('alert', sa.Column('mail', key_text(8), nullable=True))
    op.add_column('alert', sa.Column('digest', BigId, nullable=True))
    op.add_column('storefront', sa.Column('misses', sa.JSON(none_as_null=True), nullable=True))
    op.create_index('ix_alert_unread', 'alert', ['dismissed_at', 'read_at', 'id'])
    op.create_index('ix_alert_mail', 'alert', ['mail', 'digest', 'id'])
    op.create_index('ix_alert_digest', 'alert', ['digest', 'id'])
    op.create_index('ix_alert_fired', 'alert', ['fired_at', 'id'])


def downgrade() -> None:
    op.drop_index('ix_alert_fired', 'alert')
    op.drop_index('ix_alert_digest', 'alert')
    op.drop_index('ix_alert_mail', 'alert')
    op.drop_index('ix_alert_unread', 'alert')
    op.drop_column('storefront', 'misses')
    op.drop_column('alert', 'digest')
    op.drop_column('alert', 'mail')
    op.drop_column('alert_rule', 'tells_webhooks')
    op.drop_column('alert_rule', 'product_filter_id')
    op.drop_column('alert_rule', 'category_id')
    op.drop_column('alert_rule', 'mail')
