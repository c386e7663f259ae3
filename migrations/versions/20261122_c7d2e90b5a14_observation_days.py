"""observation days.

Revision ID: c7d2e90b5a14
Revises: a4f1c06e2b97
Create Date: 2026-11-22 04:15:00.000000
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId, UtcDateTime, key_text

revision = 'c7d2e90b5a14'
down_revision = 'a4f1c06e2b97'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('observation_day',
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.Column('storefront_id', BigId, autoincrement=False, nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('priced_count', sa.Integer(), nullable=False),
    sa.Column('currency', key_text(3), nullable=True),
    sa.Column('first_minor', BigId, nullable=True),
    sa.Column('last_minor', BigId, nullable=True),
    sa.Column('lowest_minor', BigId, nullable=True),
    sa.Column('highest_minor', BigId, nullable=True),
    sa.Column('known_count', sa.Integer(), nullable=False),
    sa.Column('available_count', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('product_id', 'storefront_id', 'day', name=op.f('pk_observation_day'))
    )
    op.create_table('observation_fold',
    sa.Column('id', BigId, autoincrement=False, nullable=False),
    sa.Column('until', UtcDateTime(), nullable=False),
    sa.Column('observed_at', UtcDateTime(), nullable=False),
    sa.Column('observation_id', BigId, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_observation_fold'))
    )
    op.create_index('ix_observation_observed', 'observation', ['observed_at', 'id'])


def downgrade() -> None:
    op.drop_index('ix_observation_observed', 'observation')
    op.drop_table('observation_fold')
    op.drop_table('observation_day')
