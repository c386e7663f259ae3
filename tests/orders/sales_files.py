"""What tests of imports of sales share: files of sales, what became of them, and the facts that there are."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.core.extensions import db
from app.core.files import FileStore, file_store
from app.core.orm import utc_now
from app.core.permissions import system
from app.orders.models.sales import Sale
from app.orders.services.sales_imports.decisions import create_import
from tests.products.operating import work

IMPORTS: Final = "/api/v1/sales/imports"
HEADER: Final = "external_id,sold_at,asin,name,quantity,gross,discount,tax,shipping\n"
LINE: Final = "a-1,2025-03-01T09:30:00+01:00,B0CW1A0001,Kettle,2,24.00,2.00,4.18,3.00\n"

Sent = Callable[..., TestResponse]


class SalesFiles:
    """Sends files of sales as the administrator."""

    def __init__(self, app: Flask, client: FlaskClient, headers: dict[str, str]) -> None:
        self._app, self._client, self._headers = app, client, headers

    def ask(self, method: str, path: str = "", body: Any = None, **headers: str) -> TestResponse:
        """Send a request below the imports."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.open(f"{IMPORTS}{path}", method=method, json=body, headers=self._headers | named)

    def send(self, content: str | bytes, name: str = "sales.csv", *, key: str = "", **fields: str) -> TestResponse:
        """Send a file, with an Idempotency-Key where one is given; prices without tax unless it says otherwise.

        What is said to be "" is not said at all.
        """
        data = content.encode() if isinstance(content, str) else content
        headers = {"Idempotency-Key": key} if key else {}
        said = {name: value for name, value in {"tax_included": "false", **fields}.items() if value}
        form: dict[str, Any] = {"file": (io.BytesIO(data), name), **said}
        return self._client.post(IMPORTS, data=form, headers=self._headers | headers)

    def shown(self, import_id: int) -> dict[str, Any]:
        """An import as the API shows it."""
        answer = self.ask("GET", f"/{import_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def imported(self, content: str | bytes, name: str = "sales.csv", **fields: str) -> dict[str, Any]:
        """Send a file and work on it until nothing is left; the import then."""
        answer = self.send(content, name, **fields)
        assert answer.status_code == 202, answer.text
        return self.worked(answer.get_json()["id"])

    def worked(self, import_id: int) -> dict[str, Any]:
        """Do what background workers would do; the import, or undo, then."""
        work(self._app, import_id)
        return self.shown(import_id)

    def undone(self, import_id: int) -> dict[str, Any]:
        """Take an import back; the undo when it has ended."""
        answer = self.ask("POST", f"/{import_id}/undo")
        assert answer.status_code == 202, answer.text
        return self.worked(answer.get_json()["id"])


def begin_sales(app: Flask, text: str, *, run: bool = True, tax_included: bool = False) -> int:
    """An import of this file, not begun; its number."""
    with app.app_context():
        folder = FileStore.new_folder("operations")
        with file_store().writing(f"{folder}/upload") as upload:
            upload.write(text.encode())
        return create_import(
            actor=system(),
            now=utc_now(),
            folder=folder,
            filename="sales.csv",
            size=len(text),
            limit=2**20,
            run=run,
            tax_included=tax_included,
        ).id


def table(count: int, *, prefix: str = "s", gross: str = "12.50") -> str:
    """A file of so many sales."""
    days = (f"2025-03-{at % 28 + 1:02}" for at in range(count))
    rows = (f"{prefix}-{at},{day},B{at % 50:09},Kettle {at},1,{gross},,0.50,\n" for at, day in enumerate(days))
    return HEADER + "".join(rows)


def facts(app: Flask) -> list[dict[str, Any]]:
    """Every fact, in the order of its key, without what tells when it was written and counted."""
    with app.app_context():
        rows = db.session.execute(select(Sale.__table__).order_by(Sale.unique_key)).mappings()
        left_out = {"id", "created_at", "uncounted", "category_group_id"}
        return [{name: value for name, value in row.items() if name not in left_out} for row in rows]
