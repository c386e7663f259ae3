"""Tables of search: what is known of products' texts, the dictionary, and what is still to be learnt."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Index, Integer, String, Text, false
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, LongText, PrimaryKey, UtcDateTime, key_text, utc_now

MAX_TITLE: Final = 500
MAX_WORD: Final = 40
"""Bytes of UTF-8; what is longer is cut, in products and in queries alike."""


def folded_text(length: int) -> String:
    """Text that is compared by code point on every database, so that a range of it is a prefix."""
    return key_text(length).with_variant(postgresql.VARCHAR(length, collation="C"), "postgresql")


_ASCII: Final = Text().with_variant(mysql.TEXT(charset="ascii", collation="ascii_bin"), "mysql", "mariadb")


class SearchQueue(Base):
    """A product that has changed since it was indexed; rows go as they are done."""

    __tablename__ = "search_queue"
    __table_args__ = (Index("ix_search_queue_part", "for_server", "id"),)

    id: Mapped[PrimaryKey]
    product_id: Mapped[int] = mapped_column(BigId)
    for_server: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Whether the tables below are done and the search server has yet to be told."""
    created_at: Mapped[Instant] = mapped_column(UtcDateTime, default=utc_now)


class SearchDocument(Base):
    """What can be found of one product that is not deleted: its words, folded and split the same on every database.

    The full text index of each database is on ``words``: ASCII only, so that no database has an opinion of its own on
    what is a word, and a blank on either side of each.
    """

    __tablename__ = "search_document"
    __table_args__ = (Index("ix_search_document_title", "title", "product_id"),)

    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(folded_text(MAX_TITLE))
    brand: Mapped[str] = mapped_column(folded_text(MAX_TITLE))
    words: Mapped[str] = mapped_column(
        Text().with_variant(mysql.TEXT(charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
    )


class SearchWord(Base):
    """A word of the dictionary, in how many products it is, and the parts by which misspelt ones find it."""

    __tablename__ = "search_word"
    __table_args__ = (
        Index("ix_search_word_length", "length", "word", "documents"),
        Index("ix_search_word_middle", "middle", "length"),
        Index("ix_search_word_tail", "tail", "length"),
    )

    word: Mapped[str] = mapped_column(folded_text(MAX_WORD), primary_key=True)
    documents: Mapped[int] = mapped_column(Integer)
    length: Mapped[int] = mapped_column(Integer)
    middle: Mapped[str] = mapped_column(folded_text(3))
    """Its third to fifth letter."""
    tail: Mapped[str] = mapped_column(folded_text(3))
    """Its last three letters."""
    is_listed: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Whether ``search_posting`` lists the products that have it."""


class SearchPosting(Base):
    """A product that has a word which many products have; on MySQL and MariaDB only.

    Their full text index reads and sorts all products of a word before it gives the first one.
    """

    __tablename__ = "search_posting"

    word_key: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    """A hash of the word."""
    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)


class SearchState(Base):
    """What search knows of itself, by name; the row ``index`` is the lock of who writes the tables above."""

    __tablename__ = "search_state"

    name: Mapped[str] = mapped_column(folded_text(32), primary_key=True)
    value: Mapped[str] = mapped_column(LongText)
    updated_at: Mapped[Instant] = mapped_column(UtcDateTime, default=utc_now)
