"""Pictures and HTML of the pages that visits saw."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, PrimaryKey, key_text


class Evidence(Base):
    """One file in the store of evidence. It goes with its attempt; a file without a row is swept."""

    __tablename__ = "evidence"
    __table_args__ = (
        Index("ix_evidence_expires", "expires_at", "id"),
        Index("ix_evidence_code", "job_id", "code", "attempt_id"),
        Index("ix_evidence_task", "task_id", "id"),
        Index("ix_evidence_product", "product_id"),
        Index("ix_evidence_attempt", "attempt_id"),
        Index("ix_evidence_pages", "pages_of", "id"),
    )

    id: Mapped[PrimaryKey]
    attempt_id: Mapped[int] = mapped_column(BigId, ForeignKey("attempt.id", ondelete="CASCADE"))
    job_id: Mapped[int] = mapped_column(BigId)
    task_id: Mapped[int] = mapped_column(BigId)
    product_id: Mapped[int] = mapped_column(BigId)
    pages_of: Mapped[int | None] = mapped_column(BigId)
    """The storefront, where it is the HTML of a page that was read well."""
    kind: Mapped[str] = mapped_column(key_text(12))
    why: Mapped[str] = mapped_column(key_text(12))
    code: Mapped[str | None] = mapped_column(key_text(24))
    path: Mapped[str] = mapped_column(key_text(128), unique=True)
    bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(key_text(64))
    """Of the file as it lies there."""
    content_type: Mapped[str] = mapped_column(key_text(64))
    """Of the content, which in the case of HTML is compressed."""
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    """From then on nobody is shown it, and soon after it is deleted."""
