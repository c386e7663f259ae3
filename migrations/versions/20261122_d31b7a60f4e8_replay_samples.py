"""Of storefronts some pages are kept that were read well.

Revision ID: d31b7a60f4e8
Revises: 2ec2e4568761
Create Date: 2026-11-22 07:15:10.201144
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId

revision = 'd31b7a60f4e8'
down_revision = '2ec2e4568761'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('evidence', sa.Column('pages_of', BigId, nullable=True))
    op.create_index('ix_evidence_pages', 'evidence', ['pages_of', 'id'])


def downgrade() -> None:
    op.drop_index('ix_evidence_pages', 'evidence')
    op.drop_column('evidence', 'pages_of')
