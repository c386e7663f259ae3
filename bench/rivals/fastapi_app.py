"""The product API as FastAPI's and SQLAlchemy's guides would have it: async ORM, pydantic models, a JWT dependency.

It knows the tables that our migrations made, answers the same fields, and does less: creating a product writes the
product and nothing else. Run with RIVAL_DATABASE_URL and RIVAL_JWT_SECRET set.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from os import environ
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import JSON, BigInteger, String, Text, select
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(environ["RIVAL_DATABASE_URL"], pool_size=10, max_overflow=10)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()
bearer = HTTPBearer()


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "product"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(500))
    asin: Mapped[str] = mapped_column(String(10), unique=True)
    brand: Mapped[str | None] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    description: Mapped[str] = mapped_column(Text, default="")
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3), default="USD")
    gtin: Mapped[str | None] = mapped_column(String(14))
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    images: Mapped[list[str]] = mapped_column(JSON, default=list)
    categories: Mapped[list[int]] = mapped_column(JSON, default=list)
    version: Mapped[int] = mapped_column(default=1)
    deleted_at: Mapped[datetime | None] = mapped_column(DATETIME(fsp=6))
    created_at: Mapped[datetime] = mapped_column(DATETIME(fsp=6), default=lambda: datetime.now(UTC))
    updated_at: Mapped[datetime] = mapped_column(DATETIME(fsp=6), default=lambda: datetime.now(UTC))

    @property
    def price(self) -> str:
        return str(Decimal(self.price_minor).scaleb(-2))


class ProductIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    asin: str = Field(pattern="^[A-Z0-9]{10}$")
    name: str = Field(min_length=1, max_length=500)
    brand: str | None = Field(default=None, max_length=255)
    price: Decimal = Field(ge=0, max_digits=18, decimal_places=2)
    description: str = Field(default="", max_length=10_000)
    is_active: bool = True
    gtin: str | None = Field(default=None, pattern="^[0-9]{8,14}$")
    attributes: dict[str, str | int | float | bool] = {}
    images: list[str] = []


class ProductOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    asin: str
    name: str
    brand: str | None
    price: str
    currency: str
    description: str
    is_active: bool
    gtin: str | None
    attributes: dict[str, Any]
    images: list[str]
    categories: list[int]
    version: int
    created_at: datetime
    updated_at: datetime


class ProductPage(BaseModel):
    items: list[ProductOut]
    next_after: int | None


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


async def user(sent: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> int:
    try:
        claims = jwt.decode(
            sent.credentials,
            environ["RIVAL_JWT_SECRET"],
            algorithms=["HS256"],
            audience="cartwright-api",
            issuer="cartwright",
        )
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error
    return int(claims["sub"])


Session = Annotated[AsyncSession, Depends(session)]
User = Annotated[int, Depends(user)]


@app.get("/products", response_model=ProductPage)
async def list_products(
    _user: User, db: Session, after: int = 0, limit: Annotated[int, Query(ge=1, le=100)] = 50
) -> Any:
    # without the hint MariaDB goes along our index of deleted products, from the first one on: 5 ms in the middle
    hinted = select(Product).with_hint(Product, "FORCE INDEX (PRIMARY)", "mysql")
    wanted = hinted.where(Product.deleted_at.is_(None), Product.id > after).order_by(Product.id)
    rows = (await db.scalars(wanted.limit(limit + 1))).all()
    return {"items": rows[:limit], "next_after": rows[limit - 1].id if len(rows) > limit else None}


@app.get("/products/{product_id}", response_model=ProductOut)
async def get_product(_user: User, db: Session, product_id: int) -> Any:
    product = await db.get(Product, product_id)
    if product is None or product.deleted_at is not None:
        raise HTTPException(404)
    return product


@app.post("/products", response_model=ProductOut, status_code=201)
async def create_product(_user: User, db: Session, sent: ProductIn) -> Any:
    values = sent.model_dump(exclude={"price"})
    product = Product(**values, price_minor=int(sent.price.scaleb(2)))
    db.add(product)
    try:
        await db.commit()
    except IntegrityError as error:
        raise HTTPException(409) from error
    return product
