"""notices of providers by the payment that they are about.

Revision ID: a4d7c93e1b58
Revises: a91c3de07f44
Create Date: 2026-11-21 21:40:00.000000
"""

from alembic import op

revision = 'a4d7c93e1b58'
down_revision = 'a91c3de07f44'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_provider_event_payment', 'provider_event', ['payment_ref', 'id'])


def downgrade() -> None:
    op.drop_index('ix_provider_event_payment', table_name='provider_event')
