"""search.

Revision ID: ac46b0d748f6
Revises: 45da7d3eb07c
Create Date: 2026-11-21 16:58:07.801541
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

from app.core.orm import BigId, LongText, UtcDateTime, key_text

revision = 'ac46b0d748f6'
down_revision = '45da7d3eb07c'
branch_labels = None
depends_on = None


def folded_text(length: int) -> sa.String:
    return key_text(length).with_variant(postgresql.VARCHAR(length, collation='C'), 'postgresql')


def upgrade() -> None:
    ascii_text = sa.Text().with_variant(mysql.TEXT(charset='ascii', collation='ascii_bin'), 'mysql', 'mariadb')
    op.create_table('search_document',
    sa.Column('product_id', BigId, autoincrement=False, nullable=False),
    sa.Column('title', folded_text(500), nullable=False),
    sa.Column('brand', folded_text(500), nullable=False),
    sa.Column('words', ascii_text, nullable=False),
    sa.PrimaryKeyConstraint('product_id', name=op.f('pk_search_document'))
    )
    op.create_index('ix_search_document_title', 'search_document', ['title', 'product_id'])
    op.create_table('search_queue',
    sa.Column('id', BigId, autoincrement=True, nullable=False),
    sa.Column('product_id', BigId, nullable=False),
    sa.Column('for_server', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_search_queue'))
    )
    op.create_index('ix_search_queue_part', 'search_queue', ['for_server', 'id'])
    op.create_table('search_state',
    sa.Column('name', folded_text(32), nullable=False),
    sa.Column('value', LongText, nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_search_state'))
    )
    op.create_table('search_word',
    sa.Column('word', folded_text(40), nullable=False),
    sa.Column('documents', sa.Integer(), nullable=False),
    sa.Column('length', sa.Integer(), nullable=False),
    sa.Column('middle', folded_text(3), nullable=False),
    sa.Column('tail', folded_text(3), nullable=False),
    sa.PrimaryKeyConstraint('word', name=op.f('pk_search_word'))
    )
    op.create_index('ix_search_word_length', 'search_word', ['length', 'word', 'documents'])
    op.create_index('ix_search_word_middle', 'search_word', ['middle', 'length'])
    op.create_index('ix_search_word_tail', 'search_word', ['tail', 'length'])
    for statement in FULL_TEXT[op.get_context().dialect.name]:
        op.execute(statement)
    _queue_products()


_SQLITE = (
    """CREATE VIRTUAL TABLE fts_document USING fts5(
        words, content='search_document', content_rowid='product_id', detail='none', prefix='3 4 5', tokenize='ascii')""",
    """CREATE TRIGGER search_document_added AFTER INSERT ON search_document BEGIN
        INSERT INTO fts_document(rowid, words) VALUES (new.product_id, new.words);
    END""",
    """CREATE TRIGGER search_document_gone AFTER DELETE ON search_document BEGIN
        INSERT INTO fts_document(fts_document, rowid, words) VALUES ('delete', old.product_id, old.words);
    END""",
    """CREATE TRIGGER search_document_changed AFTER UPDATE OF words ON search_document BEGIN
        INSERT INTO fts_document(fts_document, rowid, words) VALUES ('delete', old.product_id, old.words);
        INSERT INTO fts_document(rowid, words) VALUES (new.product_id, new.words);
    END""",
)
_MYSQL = ('CREATE FULLTEXT INDEX fts_search_document ON search_document (words)',)
_POSTGRESQL = (
    "CREATE INDEX fts_search_document ON search_document"
    " USING gin (array_to_tsvector(string_to_array(btrim(words), ' ')))",
)
FULL_TEXT = {'sqlite': _SQLITE, 'mysql': _MYSQL, 'mariadb': _MYSQL, 'postgresql': _POSTGRESQL}
"""Each database's own full text index on search_document.words; SQLite's is a table that triggers keep."""


def _queue_products() -> None:
    """Have the products that there are already indexed by the background workers."""
    product = sa.table('product', sa.column('id', BigId), sa.column('deleted_at', UtcDateTime()))
    queue = sa.table('search_queue', sa.column('product_id', BigId), sa.column('created_at', UtcDateTime()))
    present = sa.select(product.c.id, sa.literal(datetime.now(UTC), UtcDateTime())).where(product.c.deleted_at.is_(None))
    op.execute(queue.insert().from_select(['product_id', 'created_at'], present))


def downgrade() -> None:
    if op.get_context().dialect.name == 'sqlite':
        op.execute('DROP TABLE fts_document')
    op.drop_table('search_word')
    op.drop_table('search_state')
    op.drop_table('search_queue')
    op.drop_table('search_document')
