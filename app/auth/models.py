"""Tables of accounts: users, and the roles whose permissions they have."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, PrimaryKey, Timestamps, key_text

MAX_EMAIL: Final = 254
"""Characters of an address: RFC 5321, 4.5.3.1.3, without the angle brackets."""


class User(Timestamps, Base):
    """A person with an account. The email address is kept in lower case; it is the name used to log in."""

    __tablename__ = "user"

    id: Mapped[PrimaryKey]
    email: Mapped[str] = mapped_column(key_text(MAX_EMAIL), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    password_hash: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class Role(Timestamps, Base):
    """A named set of permissions. A locked role belongs to the product and is changed by nobody."""

    __tablename__ = "role"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(key_text(64), unique=True)
    is_locked: Mapped[bool] = mapped_column(default=False)


class RolePermission(Base):
    """One permission that a role gives; the names are those of the permission catalogue."""

    __tablename__ = "role_permission"

    role_id: Mapped[int] = mapped_column(BigId, ForeignKey("role.id", ondelete="CASCADE"), primary_key=True)
    permission: Mapped[str] = mapped_column(key_text(64), primary_key=True)


class UserRole(Base):
    """One role that a user has."""

    __tablename__ = "user_role"

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    role_id: Mapped[int] = mapped_column(BigId, ForeignKey("role.id"), primary_key=True, index=True)
