"""search postings.

Revision ID: b3f0c9d27a41
Revises: 81a1c1b5802d
Create Date: 2026-11-21 17:20:04.218840
"""

import sqlalchemy as sa
from alembic import op

from app.core.orm import BigId

revision = 'b3f0c9d27a41'
down_revision = '81a1c1b5802d'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('search_posting',
    sa.Column('word_key', BigId, autoincrement=False, nullable=False),
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.PrimaryKeyConstraint('word_key', 'product_id', name=op.f('pk_search_posting'))
    )
    op.add_column('search_word', sa.Column('is_listed', sa.Boolean(), server_default=sa.false(), nullable=False))
    if op.get_context().dialect.name == 'sqlite':  # an index of beginnings is not worth what it costs writing
        op.execute('DROP TABLE fts_document')
        op.execute(
            "CREATE VIRTUAL TABLE fts_document USING fts5("
            "words, content='search_document', content_rowid='product_id', detail='none', tokenize='ascii')"
        )
        op.execute("INSERT INTO fts_document(fts_document) VALUES ('rebuild')")


def downgrade() -> None:
    op.drop_column('search_word', 'is_listed')
    op.drop_table('search_posting')
