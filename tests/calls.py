"""One valid call for every route of the API, and the world of records that the calls are about.

A route without an entry in CALLS makes tests/test_access_matrix.py fail: who may enter, that a refusal changes nothing,
and that the audit log knows of what is done, is tested by these calls for all routes alike.
"""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, Final

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app.analytics.models.prices import PriceGap
from app.analytics.models.reports import Report, ReportRun
from app.analytics.queries import report_mailing
from app.analytics.services.report_firing import run_now as run_report_now
from app.analytics.services.report_runs import run_report
from app.analytics.services.report_shares import create_share
from app.analytics.services.reports import create_report
from app.analytics.services.reports import set_active as set_report_active
from app.auth import jwt, passwords
from app.auth.models import (
    ApiKey,
    OauthIdentity,
    OauthProvider,
    Registration,
    RememberedDevice,
    Role,
    RolePermission,
    User,
    UserRole,
)
from app.auth.services import links, sessions, tokens
from app.auth.services.second_factor import hash_of
from app.auth.services.sessions import Client, Proof
from app.cart.models import Cart
from app.core import outbox
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.files import FileStore, file_store
from app.core.money import Money
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.core.permissions import CATALOGUE, Principal, system
from app.core.transactions import in_transaction
from app.notifications.models import DeliveryState, WebhookDelivery
from app.notifications.services import redelivery, webhooks
from app.operations.models import OperationState
from app.operations.services import operations
from app.operations.services.running import run_operation
from app.orders.models.orders import Order, OrderLine
from app.orders.models.payments import ProviderEvent
from app.orders.providers.port import Answer, ProviderState
from app.orders.services.coupons.editing import create_coupon, delete_coupon
from app.orders.services.links import make_link
from app.orders.services.refunds import refund
from app.orders.services.returns import Returned, take_back
from app.orders.services.sales_imports import decisions as sales_imports
from app.orders.services.sending_refunds import record_answer
from app.orders.services.shipping import Tracking, ship
from app.products import kinds
from app.products.models.products import ProductUpdate
from app.products.models.stock import MovementKind
from app.products.services import filters
from app.products.services.bulk.actions import submit_bulk
from app.products.services.categories import create_category
from app.products.services.exports import writing as exports
from app.products.services.imports import decisions as imports
from app.products.services.products import create_product, delete_product, update_product
from app.products.services.stock import Shortfall, change_stock
from app.rpa.models.alerts import Alert
from app.rpa.models.jobs import Action
from app.rpa.models.storefronts import Storefront
from app.rpa.models.workers import Wanted
from app.rpa.services import controlling, ending, preparing, profiles, storefronts, submitting, trials
from app.rpa.services.alerts import create_rule
from app.rpa.services.cart_options import put_cart_options
from app.rpa.services.leases import register_worker
from app.rpa.services.replays import submit_replay
from app.rpa.services.schedules import create_schedule, set_active
from app.rpa.services.suggestions import submit_suggestion
from app.rpa.services.workers import tell_worker
from tests.auth.authenticator import Authenticator
from tests.orders.making import ADDRESS, Made, make_order
from tests.rpa.conftest import profile
from tests.rpa.keeping import add_evidence, add_flagged, add_observation, end_trial

API: Final = "/api/v1"
PASSWORD: Final = "correct horse battery staple"
HOUR: Final = timedelta(hours=1)
HERE: Final = Client("192.0.2.55", "tests", None)


@dataclass(frozen=True)
class Sent:
    """What makes a call valid, and how it is answered then."""

    status: int
    body: Any = None
    version: int | None = None
    path: Mapping[str, int | str] = field(default_factory=dict)
    file: bytes | None = None
    """What is sent as a file; the body are the fields beside it."""
    headers: dict[str, str] = field(default_factory=dict)
    query: Mapping[str, int | str] = field(default_factory=dict)


@dataclass
class World:
    """The records of one call. ``me`` is the person whose own things are meant where a route is about one's own."""

    app: Flask
    me: int
    email: str
    token: str
    """An access token of that person."""
    held: frozenset[str]
    """What that person may do."""

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Do something as that person before the call; the answer's body."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self.app.test_client().open(API + path, method=method, json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.get_json() if answer.data else None

    def make(self, deed: Callable[[], Any]) -> Any:
        """Do something to the database before the call."""
        with self.app.app_context():
            return in_transaction(deed)()

    def add(self, row: Any) -> int:
        """Put a row into the database; its id."""

        def deed() -> int:
            db.session.add(row)
            db.session.flush()
            found: int = row.id
            return found

        found: int = self.make(deed)
        return found

    def run(self, service: Callable[..., Any], **arguments: Any) -> Any:
        """Call a service as the system."""
        with self.app.app_context():
            return service(**arguments)

    def find(self, statement: Any) -> Any:
        """The first value that a select finds."""
        with self.app.app_context():
            return db.session.scalars(statement.limit(1)).one()


@cache
def password_hash() -> str:
    """The hash of everybody's password; it takes its time."""
    return passwords.hash_password(PASSWORD, email="nobody@example.org")


def all_ids(world: World) -> dict[str, int | str]:
    """One record of every kind that stands in the address of a page, by the name that it has there."""
    other = _other(world)
    identity = _identity(world)
    return {
        "user_id": other,
        "session_id": _session(world, other),
        "key_id": _key(world, other),
        "role_id": _role(world),
        "identity_id": identity,
        "provider_id": world.find(select(OauthIdentity.provider_id)),
        "code": "idp",
        "passkey_id": _passkey(world),
        "device_id": _device(world),
        "task_id": (errand := _errand(world)).id,
        "job_id": errand.job_id,
        "asin": errand.asin,
        **_worker(world),
        **_failed_mail(world),
        **(shared := _share(world)),
        "secret": shared["token"],
        **_alert(world),
        **_rule(world),
    }


@in_transaction
def add_person(
    *, email: str, permissions: frozenset[str] | None = None, role: str | None = None, is_verified: bool = True
) -> int:
    """Somebody with a role of the first day, or with one of their own that has these permissions."""
    session, now = db.session(), utc_now()
    user = User(email=email, name="Somebody", password_hash=password_hash())
    user.email_verified_at = now if is_verified else None
    session.add(user)
    if permissions is not None:
        made = Role(name=f"role of {email}"[:64], created_at=now, updated_at=now)
        session.add(made)
        session.flush()
        session.add_all(RolePermission(role_id=made.id, permission=name) for name in permissions)
        role = made.name
    session.flush()
    if role is not None:
        role_id = session.scalars(select(Role.id).where(Role.name == role)).one()
        session.add(UserRole(user_id=user.id, role_id=role_id))
    return user.id


def token_of(app: Flask, user_id: int) -> str:
    """An access token of a login of just now."""
    with app.app_context():
        return jwt.access_token(_grant(user_id))


@in_transaction
def add_key(*, user_id: int, secret: str, scopes: list[str]) -> int:
    """An API key with a secret that the test knows."""
    row = ApiKey(user_id=user_id, name="k", prefix=secret[:10], secret_hash=hash_of(secret), scopes=scopes)
    row.created_at = utc_now()
    db.session.add(row)
    db.session.flush()
    return row.id


def send(
    client: FlaskClient, method: str, rule: str, sent: Sent, *, credential: str | None = None, request_id: str = ""
) -> TestResponse:
    """Send a call; ``credential`` is an access token or an API key."""
    headers = {"X-Request-Id": request_id} if request_id else {}
    headers |= {"Authorization": f"Bearer {credential}"} if credential else {}
    headers |= {"If-Match": f'"v{sent.version}"'} if sent.version is not None else {}
    headers |= sent.headers
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(sent.path[found[1]]), rule)
    body: dict[str, Any] = {"json": sent.body, "query_string": sent.query}
    if sent.file is not None:
        body = {"data": {**(sent.body or {}), "file": (io.BytesIO(sent.file), "products.csv")}}
    return client.open(path, method=method, headers=headers, environ_base={"REMOTE_ADDR": HERE.address or ""}, **body)


# --- What the calls are about ----------------------------------------------------------------------------------------


def _grant(user_id: int) -> tokens.Grant:
    proof = Proof(user_id, "password", second_factor=False)
    return tokens.start_api_session(proof=proof, client=HERE, now=utc_now(), lifetime=timedelta(days=1))


def _refresh_token(world: World) -> str:
    with world.app.app_context():
        return jwt.refresh_token(_grant(world.me))


def _session(world: World, user_id: int) -> int:
    found: sessions.Started = world.run(
        sessions.start_session,
        proof=Proof(user_id, "password", second_factor=False),
        kind="browser",
        client=HERE,
        now=utc_now(),
        lifetime=HOUR,
    )
    return found.id


def _key(world: World, user_id: int) -> int:
    made: int = world.run(add_key, user_id=user_id, secret=f"cw_of_{user_id}", scopes=["products:read"])
    return made


def _other(world: World, *, is_verified: bool = True) -> int:
    found: int = world.run(add_person, email="other@example.org", role="customer", is_verified=is_verified)
    return found


def _role(world: World) -> int:
    return world.add(Role(name="a role of no use"))


def _provider(world: World) -> int:
    return world.add(OauthProvider(code="idp", name="IdP", preset="google", client_id="x", client_secret="y"))


def _identity(world: World) -> int:
    now = utc_now()
    return world.add(
        OauthIdentity(
            user_id=world.me,
            provider_id=_provider(world),
            subject="s",
            email=world.email,
            created_at=now,
            last_used_at=now,
        )
    )


def _device(world: World) -> int:
    now = utc_now()
    times = {"created_at": now, "last_used_at": now, "expires_at": now + HOUR}
    return world.add(RememberedDevice(user_id=world.me, token_hash="d" * 64, **times))


def _product(world: World) -> int:
    price = Money.parse("10.00", "USD")
    made = world.run(create_product, actor=system(), now=utc_now(), asin="B000000001", name="Kettle", price=price)
    found: int = made.id
    return found


def _asin_of(_product_id: int) -> dict[str, str]:
    return {"asin": "B000000001"}


def _category(world: World) -> int:
    made: int = world.run(create_category, actor=system(), now=utc_now(), name="Kettles").id
    return made


def _deleted(world: World) -> int:
    product_id = _product(world)
    world.run(delete_product, actor=system(), now=utc_now(), product_id=product_id, expected_version=1)
    return product_id


def _renaming(world: World) -> int:
    """A row of the history that can be reverted."""
    product_id = _product(world)
    world.run(
        update_product, actor=system(), now=utc_now(), product_id=product_id, expected_version=1, name="Copper kettle"
    )
    found: int = world.find(select(ProductUpdate.id).where(ProductUpdate.attribute == "name"))
    return found


def _bulk_body(world: World) -> dict[str, Any]:
    return {"action": {"is_active": False}, "product_ids": [_product(world)]}


def _bulk(world: World) -> int:
    """A bulk action that is done."""
    found: int = world.run(submit_bulk, actor=system(), now=utc_now(), **_bulk_body(world)).operation.id
    return found


def _imported(world: World) -> int:
    """An import that has added a product."""
    _product(world)

    def deed() -> int:
        named: dict[str, Any] = {"kind": kinds.IMPORT, "state": OperationState.COMPLETED, "arguments": {}}
        made = operations.add_operation(actor=system(), now=utc_now(), ring=False, **named).id
        db.session.execute(update(ProductUpdate).values(operation_id=made))
        return made

    found: int = world.make(deed)
    return found


def _waiting(world: World) -> int:
    """A bulk action that has yet to begin."""

    def deed() -> int:
        named: dict[str, Any] = {"kind": kinds.BULK, "state": OperationState.QUEUED}
        named["arguments"] = {"action": {"is_active": False}, "filter": {}, "dry_run": False}
        return operations.add_operation(actor=system(), now=utc_now(), ring=False, **named).id

    found: int = world.make(deed)
    return found


def _in_cart(world: World) -> int:
    """A product that is in the person's own cart."""
    product_id = _product(world)
    world.ask("POST", "/cart/items", {"product_id": product_id})
    return product_id


def _checkout(world: World) -> dict[str, Any]:
    """A checkout of the person's own cart, of which there is enough."""
    about: dict[str, Any] = {"kind": MovementKind.RECEIVED, "delta": 5, "product_id": _in_cart(world)}
    world.run(change_stock, actor=system(), now=utc_now(), **about)
    return {
        "cart_id": world.find(select(Cart.id).where(Cart.user_id == world.me)),
        "expected_total": {"amount": "10.00", "currency": "USD"},
        "shipping_address": ADDRESS,
        "payment_method": "invoice",
    }


def _storefront(world: World) -> int:
    made = world.run(
        storefronts.create_storefront, actor=system(), now=utc_now(), code="shop", name="Shop", profile=profile()
    )
    found: int = made.id
    return found


_OPTIONS_MADE: Final = datetime(2026, 1, 1, tzinfo=UTC)
_OPTIONS_VERSION: Final = int(_OPTIONS_MADE.timestamp()) * 1_000_000


def _cart_options(world: World) -> dict[str, int]:
    """A product with options on a storefront."""
    cart = profile()["cart"] | {"options": [{"name": "size", "css": "#size"}]}
    shop = world.run(
        storefronts.create_storefront, actor=system(), now=utc_now(), code="shop", name="Shop",
        profile=profile(cart=cart),
    )  # fmt: skip
    about = {"product_id": _product(world), "storefront_id": shop.id}
    world.run(
        put_cart_options, actor=system(), now=_OPTIONS_MADE, options={"size": "M"}, expected_version=None, **about
    )
    return about


def _cooling(world: World) -> dict[str, int]:
    """A storefront that cools down for an hour."""
    shop = _storefront(world)
    until = update(Storefront).values(blocks=5, cooldown_s=3600, cooldown_until=utc_now() + HOUR)
    world.make(lambda: db.session.execute(until))
    return {"storefront_id": shop}


def _part(ids: dict[str, int], name: str) -> dict[str, int]:
    """One of the ids."""
    return {name: ids[name]}


def _version(world: World, *, own: bool = True) -> dict[str, int]:
    """A draft beside the active version, or just the storefront."""
    shop = _storefront(world)
    about: dict[str, Any] = {"storefront_id": shop, "profile": profile(currency="EUR")}
    world.run(profiles.draft_version, actor=system(), now=utc_now(), **about)
    return {"storefront_id": shop} | ({"version_no": 2} if own else {})


def _replay(world: World) -> dict[str, int]:
    named = _version(world)
    about = {"storefront_id": named["storefront_id"], "number": named["version_no"]}
    world.run(submit_replay, actor=system(), **about)
    return named


def _try(world: World, *, own: bool = True) -> dict[str, int]:
    """A try that has ended, or just its storefront."""
    shop = _storefront(world)
    row = world.run(trials.submit_try, actor=system(), storefront_id=shop, asin="B000000001")
    with world.app.app_context():
        end_trial(row.id, {"fields": {}}, screenshot=b"a picture")
    return {"storefront_id": shop} | ({"try_id": row.id} if own else {})


def _errand(world: World) -> Any:
    _product(world)
    _storefront(world)
    return world.run(
        submitting.submit_errand, actor=system(), action=Action.VIEW_PRODUCT, storefront="shop", asin="B000000001"
    )


def _flagged(world: World) -> dict[str, int]:
    """A change that waits for a decision, of the task of an errand."""
    task = _errand(world)
    with world.app.app_context():
        return {"change_id": add_flagged(task_id=task.id).id}


_IN_SHOP: Final = {"storefront": "shop"}


def _observed(world: World) -> dict[str, int]:
    """A product that a storefront has shown."""
    task = _errand(world)
    with world.app.app_context():
        add_observation(task_id=task.id)
    return {"product_id": task.product_id}


def _price_gap(world: World) -> dict[str, int]:
    """A product that a storefront sells at another price than we do."""
    product_id = _product(world)
    about = {"currency": "USD", "our_minor": 1000, "their_currency": "USD", "their_minor": 900, "log_ratio": -105360516}
    gap = PriceGap(product_id=product_id, storefront_id=_storefront(world), **about)
    gap.comparison, gap.observed_at = "COMPARED", utc_now()
    world.make(lambda: db.session.add(gap))
    return {"product_id": product_id}


def _evidence(world: World) -> dict[str, int]:
    """A screenshot of an attempt."""
    task = _errand(world)
    with world.app.app_context():
        return {"evidence_id": add_evidence(task.id, b"a picture").id}


def _link(world: World, purpose: str, **about: Any) -> str:
    values: dict[str, Any] = {"email": world.email, "user_id": world.me} | about
    token: str = world.run(links.issue_link, actor=system(), purpose=purpose, now=utc_now(), **values)
    return token


def _registration(world: World) -> dict[str, str]:
    now = utc_now()
    row = Registration(email="new@example.org", name="New", password_hash=password_hash(), created_at=now)
    row.expires_at = now + HOUR
    token = _link(world, links.REGISTER, email="new@example.org", user_id=None, registration_id=world.add(row))
    return {"token": token, "password": PASSWORD}


def _totp(world: World, *, confirmed: bool) -> dict[str, str]:
    secret = world.ask("POST", "/me/totp")["secret"]
    code = {"code": pyotp.TOTP(secret).now()}
    if confirmed:
        world.ask("POST", "/me/totp/confirm", code)
    return code


def _passkey_in(world: World, browser: Authenticator) -> dict[str, Any]:
    asked = world.ask("POST", "/me/passkeys/options")
    return {"challenge": asked["challenge"], "credential": browser.create(asked["options"]), "name": "Phone"}


def _passkey(world: World, browser: Authenticator | None = None) -> int:
    made: int = world.ask("POST", "/me/passkeys", _passkey_in(world, browser or Authenticator()))["id"]
    return made


def _signed(world: World) -> dict[str, Any]:
    browser = Authenticator()
    _passkey(world, browser)
    asked = world.ask("POST", "/auth/passkeys/options")
    return {"challenge": asked["challenge"], "credential": browser.get(asked["options"])}


_CSV: Final = b"asin,name,price\nB000000009,Kettle,10.00\n"


_SALES: Final = b"id,date,asin,name,quantity,gross\n7,2025-03-01,B000000009,Kettle,1,10.00\n"


def _import(world: World) -> int:
    """An import that is checked."""
    return _uploaded(world, _CSV, imports.create_import)


def _sales_import(world: World, *, run: bool = False) -> int:
    """An import of sales that is checked, or has added a fact."""
    return _uploaded(world, _SALES, partial(sales_imports.create_import, run=run))


def _uploaded(world: World, content: bytes, create: Callable[..., Any]) -> int:
    """An import of this file, as far as it gets by itself."""
    folder = FileStore.new_folder("operations")
    with world.app.app_context():
        with file_store().writing(f"{folder}/upload") as upload:
            upload.write(content)
        named: dict[str, Any] = {"folder": folder, "filename": "a.csv", "size": len(content), "limit": 2**20}
        made = create(actor=system(), now=utc_now(), **named)
        run_operation(operation_id=made.id, slice_no=made.slice_no)
        return int(made.id)


def _export(world: World, *, is_done: bool = True) -> int:
    _product(world)
    with world.app.app_context():
        reader = replace(system(), permissions=frozenset({"products:read"}))
        made = exports.create_export(actor=reader, now=utc_now(), format="csv", which={})
        if is_done:
            run_operation(operation_id=made.id, slice_no=made.slice_no)
        return made.id


def _product_body(name: str = "Kettle") -> dict[str, Any]:
    return {"asin": "B000000001", "name": name, "price": "10.00"}


def _stocked(world: World) -> dict[str, Any]:
    """An errand over the one product of the master."""
    _product(world)
    _storefront(world)
    return {"storefront": "shop", "asin": "B000000001"}


def _job_body(world: World) -> dict[str, Any]:
    _stocked(world)
    return {"action": "view-product", "storefront": "shop", "name": "all", "asins": ["B000000001"]}


def _file_job(world: World) -> dict[str, Any]:
    return {name: value for name, value in _job_body(world).items() if name != "asins"}


def _job(world: World, *, paused: bool = False, ended: bool = False) -> dict[str, int]:
    """A job over the one product, with its task; ended: because it was cancelled."""
    job = world.run(submitting.submit_job, actor=system(), **_job_body(world))
    world.run(preparing.prepare_job, job_id=job.id)
    if paused:
        world.run(controlling.pause_job, actor=system(), job_id=job.id)
    if ended:
        world.run(controlling.cancel_job, actor=system(), job_id=job.id)
        world.run(ending.end_open_tasks)
        world.run(ending.finish_jobs)
    return {"job_id": job.id}


def _saved_filter(world: World) -> int:
    about: dict[str, Any] = {"name": "Kettles", "which": {"brand": "Hearth"}}
    found: int = world.run(filters.create_filter, actor=system(), now=utc_now(), **about).id
    return found


_SCHEDULED: Final = {"action": "view-product", "storefront": "shop", "name": "all", "asins": ["B000000001"]}


_RULE: Final = {"name": "Drops", "kind": "price", "when": {"percent": 10, "direction": "down"}}


def _rule(world: World) -> dict[str, int]:
    """A rule about schedules."""
    return {"rule_id": world.run(create_rule, actor=system(), name="Late", kind="schedule", when={}).id}


def _paused_rule(world: World) -> dict[str, int]:
    made: dict[str, Any] = {"name": "Late", "kind": "schedule", "when": {}, "is_active": False}
    return {"rule_id": world.run(create_rule, actor=system(), **made).id}


def _alert(world: World) -> dict[str, int]:
    """What a rule about schedules told."""
    rule = _rule(world)["rule_id"]

    def add() -> int:
        row = Alert(rule_id=rule, subject="schedule:1", key=f"{rule}:schedule:1", detail="Late.", fired_at=utc_now())
        db.session.add(row)
        db.session.commit()
        return row.id

    return {"alert_id": world.run(add)}


def _schedule_body(world: World) -> dict[str, Any]:
    return {"name": "Mornings", "cron": "0 6 * * *", "timezone": "Europe/Berlin", "job": _job_body(world)}


def _schedule(world: World, *, is_active: bool = True) -> dict[str, int]:
    """A schedule of a job over the one product."""
    about: dict[str, Any] = {"name": "Mornings", "wish": _job_body(world), "every_s": 3600}
    made: int = world.run(create_schedule, actor=system(), **about).id
    if not is_active:
        world.run(set_active, actor=system(), schedule_id=made, is_active=False)
    return {"schedule_id": made}


def _owner(world: World) -> Principal:
    """The person, as one who may do everything."""
    return Principal(kind="user", id=world.me, user_id=world.me, name=world.email, permissions=frozenset(CATALOGUE))


_REPORT: Final[dict[str, Any]] = {"name": "Days", "kind": "sales_by_day", "period": "last_days", "days": 7}
_MONDAYS: Final = {"rhythm": "weekly", "hour": 7, "weekday": 1, "month_day": None, "timezone": "Europe/Berlin"}


def _report(world: World, *, is_active: bool = True) -> dict[str, Any]:
    """A report of that person, of every Monday."""
    about: dict[str, Any] = _REPORT | {"filters": {}, "schedule": _MONDAYS}
    made: int = world.run(create_report, actor=_owner(world), **about).id
    if not is_active:
        world.run(set_report_active, actor=_owner(world), report_id=made, is_active=False)
    return {"report_id": made}


def _left_report(world: World) -> dict[str, Any]:
    """A report of somebody who is gone."""
    report = _report(world)

    def deed() -> None:
        db.session.get_one(Report, report["report_id"]).owner_id = 4711

    world.run(in_transaction(deed))
    return report


def _share(world: World) -> dict[str, Any]:
    """A link to such a report."""
    report = _report(world)
    share = world.run(create_share, actor=_owner(world), now=utc_now(), **report)
    return report | {"share_id": share.id, "token": share.token}


def _report_run(world: World) -> dict[str, Any]:
    """A run of such a report that is over, with its files."""
    report = _report(world)
    run: int = world.run(run_report_now, actor=_owner(world), **report).id
    world.run(run_report, run_id=run, take_picture=lambda _drawing: b"PNG")
    return report | {"run_id": run}


def _failed_mail(world: World) -> dict[str, Any]:
    """The same with a mail that did not get through."""
    found = _report_run(world)

    def deed() -> None:
        key = report_mailing.key_of(found["run_id"], world.me)
        outbox.add(report_mailing.MAIL, key=key, run_id=found["run_id"], user_id=world.me)
        db.session.execute(update(Outbox).where(Outbox.kind == report_mailing.MAIL).values(last_error="OSError: gone"))

    world.run(in_transaction(deed))
    return found


def _drawn(world: World) -> dict[str, Any]:
    """The same with a chart."""
    found = _report_run(world)

    def deed() -> None:
        run = db.session.get_one(ReportRun, found["run_id"])
        run.has_picture = True
        if run.folder is not None:
            with file_store().writing(f"{run.folder}/chart.png") as stream:
                stream.write(b"PNG")

    world.make(deed)
    return found


def _worker(world: World, *, wanted: Wanted = Wanted.WORK) -> dict[str, int]:
    """A worker that has just said that it lives."""
    made: int = world.run(register_worker, name=f"farm-1:{secrets.token_hex(4)}", host="farm-1", pid=4711)
    if wanted is not Wanted.WORK:
        world.run(tell_worker, actor=system(), worker_id=made, wanted=wanted)
    return {"worker_id": made}


def _of_other(world: World, thing: Callable[[World, int], int], name: str) -> dict[str, int]:
    other = _other(world)
    return {"user_id": other, name: thing(world, other)}


def _webhook(world: World) -> dict[str, int]:
    about: dict[str, Any] = {"name": "hook", "url": "https://hooks.example.org", "kinds": ["*"]}
    made = world.run(webhooks.create_webhook, actor=system(), now=utc_now(), private=frozenset(), **about)
    return {"webhook_id": made.webhook.id}


def _delivery(world: World, *, is_done: bool = False) -> dict[str, int]:
    path = _webhook(world)
    sent = world.run(redelivery.send_test, actor=system(), now=utc_now(), **path)
    if is_done:
        change = update(WebhookDelivery).values(state=DeliveryState.FAILED)
        world.make(lambda: db.session.execute(change))
    return path | {"delivery_id": sent.id}


_COUPON: Final = {"code": "WELCOME", "percent_ppm": 100_000}


def _coupon(world: World, *, is_deleted: bool = False) -> dict[str, int]:
    made = {"coupon_id": world.run(create_coupon, actor=system(), now=utc_now(), **_COUPON).id}
    if is_deleted:
        world.run(delete_coupon, actor=system(), now=utc_now(), expected_version=1, **made)
    return made


def _order(world: World) -> Made:
    """A placed order of two of a product, to be paid by invoice."""
    with world.app.app_context():
        return make_order(2)


def _paid(world: World) -> Made:
    """An order that was paid."""
    with world.app.app_context():
        return make_order(2, paid=True)


def _refunded(world: World, *, is_failed: bool = False) -> dict[str, int | str]:
    """A paid order by its number, and the refund of a part of it."""
    made = _paid(world)
    about: dict[str, Any] = {"order_id": made.id, "expected_version": 1, "amount": Money(500, "USD"), "reason": "Late"}
    refund_id = world.run(refund, actor=system(), now=utc_now(), **about).id
    if is_failed:
        failed = Answer(ref=None, state=ProviderState.FAILED, error_code="no_money")
        which = {"order_id": made.id, "refund_id": refund_id, "answer": failed}
        world.run(record_answer, actor=system(), now=utc_now(), **which)
    return {"number": made.number, "refund_id": refund_id}


def _shown(world: World) -> dict[str, int | str]:
    """An order that staff should look at."""
    return {"number": _refunded(world, is_failed=True)["number"]}


def _notice(world: World) -> dict[str, int | str]:
    """Something that a payment provider told us."""
    about = {"provider": "stripe", "event_id": "evt_1", "kind": "charge.succeeded", "body": "{}"}
    return {"event_id": world.add(ProviderEvent(received_at=utc_now(), **about))}


_REFUND: Final = {"amount": {"amount": "5.00", "currency": "USD"}, "reason": "Scratched"}
_RECORDED: Final = {"amount": {"amount": "20.00", "currency": "USD"}, "reference": "Bank slip 17"}


def _own_order(world: World) -> dict[str, int | str]:
    """The same of the person who asks, by its number."""
    with world.app.app_context():
        return {"number": make_order(2, user_id=world.me).number}


def _order_in(world: World) -> dict[str, Any]:
    """An order as staff place it."""
    about: dict[str, Any] = {"kind": MovementKind.RECEIVED, "delta": 5, "product_id": _product(world)}
    world.run(change_stock, actor=system(), now=utc_now(), **about)
    items = [{"product_id": about["product_id"], "quantity": 2}]
    return {"email": "grace@example.org", "items": items, "shipping_address": ADDRESS, "payment_method": "cash"}


def _shipped(world: World) -> dict[str, int | str]:
    """An order that was shipped, by its number, and its shipment."""
    made = _order(world)
    about: dict[str, Any] = {"order_id": made.id, "expected_version": 1, "tracking": Tracking(carrier="DHL")}
    record = world.run(ship, actor=system(), now=utc_now(), **about)
    return {"number": made.number, "shipment_id": record.shipment.id}


def _return_body(world: World) -> Sent:
    """A call by which one of two comes back that were shipped."""
    shipped = _shipped(world)
    line = world.find(select(OrderLine.id))
    body = {"lines": [{"line_id": line, "quantity": 1, "resaleable": 1}], "reason": "The lid does not close."}
    return Sent(201, body, version=2, path={"number": shipped["number"]})


def _returned(world: World) -> dict[str, int | str]:
    sent = _return_body(world)
    units = [Returned(line["line_id"], line["quantity"], line["resaleable"]) for line in sent.body["lines"]]
    about: dict[str, Any] = {"order_id": world.find(select(Order.id)), "expected_version": 2, "units": units}
    record = world.run(take_back, actor=system(), now=utc_now(), reason="x", **about)
    return dict(sent.path) | {"return_id": record.returned.id}


def _robbed(world: World) -> dict[str, int | str]:
    """An order that a count took stock from, of which there is enough again."""
    made = _order(world)
    about: dict[str, Any] = {"actor": system(), "now": utc_now(), "product_id": made.products[0]}
    world.run(change_stock, kind=MovementKind.ADJUSTED, delta=-9, reason="gone", shortfall=Shortfall.RELEASE, **about)
    world.run(change_stock, kind=MovementKind.RECEIVED, delta=9, **about)
    return {"number": made.number}


def _link_of_order(world: World) -> dict[str, str]:
    return {"Order-Token": world.run(make_link, order_id=_order(world).id, now=utc_now())}


_PROVIDER: Final = {"name": "IdP 2", "client_id": "x"}
_LISTS: Final = (
    "/admin/orders", "/alert-rules", "/alerts", "/audit-events", "/auth/providers", "/bulk-actions", "/cart",
    "/categories", "/categories/tree", "/coupons", "/inventory", "/inventory/insights", "/inventory/low-stock",
    "/job-schedules", "/jobs", "/me", "/metrics", "/me/devices", "/me/export",
    "/me/identities", "/me/keys",
    "/me/passkeys", "/me/second-factor", "/me/sessions", "/oauth-providers", "/operations", "/orders", "/permissions",
    "/product-filters",
    "/product-updates", "/product-updates/feed", "/products", "/products/deleted", "/products/export",
    "/observed-changes", "/price-index", "/price-index/differences", "/price-index/series", "/sales/funnel",
    "/products/facets", "/left-reports", "/report-kinds", "/reports",
    "/roles", "/sales", "/sales/imports", "/storefronts", "/users", "/webhooks", "/workers",
)  # fmt: skip

_PRODUCT_PAGE: Final = "https://www.kettles.example/dp/B0CW1A0001"
_TRY: Final = "/storefronts/<int:storefront_id>/tries/<int:try_id>"
_OPTIONS: Final = "/products/<int:product_id>/cart-options/<int:storefront_id>"
_VERSION: Final = "/storefronts/<int:storefront_id>/profile-versions/<int:version_no>"

CALLS: Final[dict[tuple[str, str], Callable[[World], Sent]]] = {
    **{("GET", path): lambda _: Sent(200) for path in _LISTS},
    # logging in and out
    ("POST", "/auth/login"): lambda w: Sent(200, {"email": w.email, "password": PASSWORD}),
    ("POST", "/auth/refresh"): lambda w: Sent(200, {"refresh_token": _refresh_token(w)}),
    ("POST", "/auth/token"): lambda _: Sent(403, {}),  # by a browser's session it gets some
    ("POST", "/auth/logout"): lambda _: Sent(204),
    ("POST", "/auth/logout-everywhere"): lambda _: Sent(204),
    ("POST", "/auth/confirm"): lambda _: Sent(204, {"password": PASSWORD}),
    ("POST", "/auth/passkeys/options"): lambda _: Sent(200),
    ("POST", "/auth/passkeys/login"): lambda w: Sent(200, _signed(w)),
    ("POST", "/auth/passkeys/confirm"): lambda w: Sent(204, _signed(w)),
    # webhooks
    ("POST", "/webhooks"): lambda _: Sent(
        201, {"name": "hook", "url": "https://hooks.example.org", "kinds": ["product.updated"]}
    ),
    ("GET", "/webhooks/<int:webhook_id>"): lambda w: Sent(200, path=_webhook(w)),
    ("PATCH", "/webhooks/<int:webhook_id>"): lambda w: Sent(200, {"is_active": False}, version=1, path=_webhook(w)),
    ("DELETE", "/webhooks/<int:webhook_id>"): lambda w: Sent(204, version=1, path=_webhook(w)),
    ("POST", "/webhooks/<int:webhook_id>/rotate-secret"): lambda w: Sent(200, path=_webhook(w)),
    ("POST", "/webhooks/<int:webhook_id>/test"): lambda w: Sent(202, path=_webhook(w)),
    ("GET", "/webhooks/<int:webhook_id>/deliveries"): lambda w: Sent(200, path=_webhook(w)),
    ("GET", "/webhooks/<int:webhook_id>/deliveries/<int:delivery_id>"): lambda w: Sent(200, path=_delivery(w)),
    ("POST", "/webhooks/<int:webhook_id>/deliveries/<int:delivery_id>/redeliver"): lambda w: Sent(
        202, path=_delivery(w, is_done=True)
    ),
    # registering, password and address
    ("POST", "/auth/register"): lambda _: Sent(202, {"email": "new@example.org", "name": "New", "password": PASSWORD}),
    ("POST", "/auth/resend-verification"): lambda _: Sent(202, {"email": "new@example.org"}),
    ("POST", "/auth/verify-email"): lambda w: Sent(204, _registration(w)),
    ("POST", "/auth/forgot-password"): lambda w: Sent(202, {"email": w.email}),
    ("POST", "/auth/reset-password"): lambda w: Sent(
        204, {"token": _link(w, links.RESET), "password": "another " + PASSWORD}
    ),
    ("POST", "/auth/change-email"): lambda w: Sent(
        204, {"token": _link(w, links.CHANGE_EMAIL, email="new@example.org")}
    ),
    ("POST", "/me/password"): lambda _: Sent(
        204, {"current_password": PASSWORD, "new_password": "another " + PASSWORD}
    ),
    ("POST", "/me/email"): lambda _: Sent(202, {"email": "new@example.org", "password": PASSWORD}),
    # one's own account
    ("PATCH", "/me"): lambda _: Sent(200, {"name": "Somebody else", "theme": "dark"}, version=1),
    ("POST", "/me/erasure"): lambda _: Sent(204),
    ("DELETE", "/me/sessions"): lambda w: Sent(200) if _session(w, w.me) else Sent(0),
    ("DELETE", "/me/sessions/<int:session_id>"): lambda w: Sent(204, path={"session_id": _session(w, w.me)}),
    ("POST", "/me/keys"): lambda w: Sent(  # a customer has nothing that could be given to a key
        201 if w.held else 403, {"name": "k", "scopes": ["products:read"]}
    ),
    ("GET", "/me/keys/<int:key_id>"): lambda w: Sent(200, path={"key_id": _key(w, w.me)}),
    ("PATCH", "/me/keys/<int:key_id>"): lambda w: Sent(200, {"name": "k2"}, version=1, path={"key_id": _key(w, w.me)}),
    ("DELETE", "/me/keys/<int:key_id>"): lambda w: Sent(204, path={"key_id": _key(w, w.me)}),
    ("DELETE", "/me/identities/<int:identity_id>"): lambda w: Sent(204, path={"identity_id": _identity(w)}),
    # second factor
    ("POST", "/me/totp"): lambda _: Sent(201),
    ("POST", "/me/totp/confirm"): lambda w: Sent(200, _totp(w, confirmed=False)),
    ("POST", "/me/totp/disable"): lambda w: Sent(204) if _totp(w, confirmed=True) else Sent(0),
    ("POST", "/me/recovery-codes"): lambda w: Sent(201) if _totp(w, confirmed=True) else Sent(0),
    ("DELETE", "/me/devices"): lambda w: Sent(204) if _device(w) else Sent(0),
    ("DELETE", "/me/devices/<int:device_id>"): lambda w: Sent(204, path={"device_id": _device(w)}),
    ("POST", "/me/passkeys/options"): lambda _: Sent(200),
    ("POST", "/me/passkeys"): lambda w: Sent(201, _passkey_in(w, Authenticator())),
    ("PATCH", "/me/passkeys/<int:passkey_id>"): lambda w: Sent(200, {"name": "Key"}, path={"passkey_id": _passkey(w)}),
    ("DELETE", "/me/passkeys/<int:passkey_id>"): lambda w: Sent(204, path={"passkey_id": _passkey(w)}),
    # users, roles, providers, audit log
    ("POST", "/users"): lambda _: Sent(201, {"email": "new@example.org", "name": "New", "roles": ["customer"]}),
    ("GET", "/users/<int:user_id>"): lambda w: Sent(200, path={"user_id": _other(w)}),
    ("PATCH", "/users/<int:user_id>"): lambda w: Sent(
        200, {"is_active": False}, version=1, path={"user_id": _other(w)}
    ),
    ("POST", "/users/<int:user_id>/invitation"): lambda w: Sent(202, path={"user_id": _other(w, is_verified=False)}),
    ("GET", "/users/<int:user_id>/sessions"): lambda w: Sent(200, path={"user_id": _other(w)}),
    ("DELETE", "/users/<int:user_id>/sessions"): lambda w: Sent(200, path=_of_other(w, _session, "session_id")),
    ("DELETE", "/users/<int:user_id>/sessions/<int:session_id>"): lambda w: Sent(
        204, path=_of_other(w, _session, "session_id")
    ),
    ("GET", "/users/<int:user_id>/keys"): lambda w: Sent(200, path={"user_id": _other(w)}),
    ("DELETE", "/users/<int:user_id>/keys/<int:key_id>"): lambda w: Sent(204, path=_of_other(w, _key, "key_id")),
    ("POST", "/roles"): lambda _: Sent(201, {"name": "empty", "permissions": []}),
    ("GET", "/roles/<int:role_id>"): lambda w: Sent(200, path={"role_id": _role(w)}),
    ("PATCH", "/roles/<int:role_id>"): lambda w: Sent(
        200, {"description": "Of some use"}, version=1, path={"role_id": _role(w)}
    ),
    ("DELETE", "/roles/<int:role_id>"): lambda w: Sent(204, version=1, path={"role_id": _role(w)}),
    ("POST", "/oauth-providers"): lambda _: Sent(
        201, _PROVIDER | {"code": "idp", "preset": "google", "client_secret": "y"}
    ),
    ("GET", "/oauth-providers/<int:provider_id>"): lambda w: Sent(200, path={"provider_id": _provider(w)}),
    ("PUT", "/oauth-providers/<int:provider_id>"): lambda w: Sent(
        200, _PROVIDER, version=1, path={"provider_id": _provider(w)}
    ),
    ("DELETE", "/oauth-providers/<int:provider_id>"): lambda w: Sent(
        204, version=1, path={"provider_id": _provider(w)}
    ),
    ("GET", "/audit-events/<int:event_id>"): lambda w: Sent(200, path={"event_id": w.find(select(AuditEvent.id))}),
    # the product master
    # imports, exports, and what takes long
    ("POST", "/imports"): lambda _: Sent(202, file=_CSV),
    ("GET", "/imports/<int:import_id>"): lambda w: Sent(200, path={"import_id": _import(w)}),
    ("PUT", "/imports/<int:import_id>/mapping"): lambda w: Sent(
        200, {"targets": ["asin", "name", None]}, version=1, path={"import_id": _import(w)}
    ),
    ("POST", "/imports/<int:import_id>/run"): lambda w: Sent(202, path={"import_id": _import(w)}),
    ("GET", "/imports/<int:import_id>/refused-rows"): lambda w: Sent(200, path={"import_id": _import(w)}),
    ("POST", "/exports"): lambda _: Sent(202, {"format": "csv", "filter": {"brand": "Lumo"}}),
    ("GET", "/exports/<int:export_id>"): lambda w: Sent(200, path={"export_id": _export(w, is_done=False)}),
    ("GET", "/exports/<int:export_id>/file"): lambda w: Sent(200, path={"export_id": _export(w)}),
    ("GET", "/operations/<int:operation_id>"): lambda w: Sent(200, path={"operation_id": _import(w)}),
    ("POST", "/operations/<int:operation_id>/cancel"): lambda w: Sent(202, path={"operation_id": _import(w)}),
    ("POST", "/sales/imports"): lambda _: Sent(202, file=_SALES),
    ("GET", "/analytics/dashboard"): lambda _: Sent(200),
    ("GET", "/rpa/analytics"): lambda _: Sent(200),
    ("GET", "/analytics/events/dashboard"): lambda _: Sent(204),
    ("GET", "/analytics/ws/dashboard"): lambda _: Sent(400),
    ("POST", "/analytics/tickets"): lambda _: Sent(201),
    ("GET", "/sales/imports/<int:import_id>"): lambda w: Sent(200, path={"import_id": _sales_import(w)}),
    ("PUT", "/sales/imports/<int:import_id>/mapping"): lambda w: Sent(
        200,
        {"targets": ["external_id", "sold_at", "asin", "name", "quantity", "gross"]},
        version=1,
        path={"import_id": _sales_import(w)},
    ),
    ("POST", "/sales/imports/<int:import_id>/run"): lambda w: Sent(202, path={"import_id": _sales_import(w)}),
    ("POST", "/sales/imports/<int:import_id>/cancel"): lambda w: Sent(202, path={"import_id": _sales_import(w)}),
    ("POST", "/sales/imports/<int:import_id>/undo"): lambda w: Sent(
        202, path={"import_id": _sales_import(w, run=True)}
    ),
    ("GET", "/sales/imports/<int:import_id>/refused-rows"): lambda w: Sent(200, path={"import_id": _sales_import(w)}),
    ("POST", "/products"): lambda _: Sent(201, _product_body()),
    ("GET", "/products/<int:product_id>"): lambda w: Sent(200, path={"product_id": _product(w)}),
    ("PUT", "/products/<int:product_id>"): lambda w: Sent(
        200, _product_body("Pot"), version=1, path={"product_id": _product(w)}
    ),
    ("DELETE", "/products/<int:product_id>"): lambda w: Sent(204, version=1, path={"product_id": _product(w)}),
    ("PATCH", "/products/<int:product_id>"): lambda w: Sent(
        200, {"name": "Pot"}, version=1, path={"product_id": _product(w)}
    ),
    ("GET", "/products/<int:product_id>/images/<int:position>"): lambda w: Sent(  # it has none
        404, path={"product_id": _product(w), "position": 0}
    ),
    ("POST", "/products/<int:product_id>/restore"): lambda w: Sent(200, path={"product_id": _deleted(w)}),
    ("GET", "/products/<int:product_id>/history"): lambda w: Sent(200, path={"product_id": _product(w)}),
    ("GET", "/product-updates/<int:update_id>"): lambda w: Sent(200, path={"update_id": _renaming(w)}),
    ("POST", "/product-updates/<int:update_id>/revert"): lambda w: Sent(201, path={"update_id": _renaming(w)}),
    ("POST", "/bulk-actions"): lambda w: Sent(201, _bulk_body(w)),
    ("GET", "/bulk-actions/<int:bulk_id>"): lambda w: Sent(200, path={"bulk_id": _bulk(w)}),
    ("GET", "/bulk-actions/<int:bulk_id>/rows"): lambda w: Sent(200, path={"bulk_id": _bulk(w)}),
    ("POST", "/bulk-actions/<int:bulk_id>/cancel"): lambda w: Sent(202, path={"bulk_id": _waiting(w)}),
    ("POST", "/imports/<int:import_id>/undo"): lambda w: Sent(201, {}, path={"import_id": _imported(w)}),
    ("POST", "/bulk-actions/<int:bulk_id>/undo"): lambda w: Sent(201, {}, path={"bulk_id": _bulk(w)}),
    ("POST", "/categories"): lambda _: Sent(201, {"name": "Kettles"}),
    ("GET", "/categories/<int:category_id>"): lambda w: Sent(200, path={"category_id": _category(w)}),
    ("PATCH", "/categories/<int:category_id>"): lambda w: Sent(
        200, {"name": "Pots"}, version=1, path={"category_id": _category(w)}
    ),
    ("DELETE", "/categories/<int:category_id>"): lambda w: Sent(204, version=1, path={"category_id": _category(w)}),
    # the cart
    ("POST", "/cart"): lambda _: Sent(201, {}),
    ("PATCH", "/cart"): lambda _: Sent(200, {"note": "Please ring twice"}),
    ("POST", "/cart/seen"): lambda _: Sent(200),
    ("POST", "/cart/items"): lambda w: Sent(200, {"product_id": _product(w), "quantity": 2}),
    ("DELETE", "/cart/items"): lambda w: Sent(200) if _in_cart(w) else Sent(0),
    ("PATCH", "/cart/items/<int:product_id>"): lambda w: Sent(200, {"quantity": 3}, path={"product_id": _in_cart(w)}),
    ("DELETE", "/cart/items/<int:product_id>"): lambda w: Sent(200, path={"product_id": _in_cart(w)}),
    # orders
    ("GET", "/orders/quote"): lambda w: Sent(200, query={"cart_id": _checkout(w)["cart_id"]}),
    ("POST", "/orders"): lambda w: Sent(201, _checkout(w)),
    ("GET", "/orders/<number>"): lambda w: Sent(200, path=_own_order(w)),
    ("GET", "/orders/<number>/events"): lambda w: Sent(200, path=_own_order(w)),
    ("POST", "/orders/<number>/cancel"): lambda w: Sent(200, {"reason": "Too late"}, path=_own_order(w)),
    ("GET", "/orders/<number>/payment"): lambda w: Sent(200, path=_own_order(w)),
    ("POST", "/orders/<number>/payment/refresh"): lambda w: Sent(200, path=_own_order(w)),
    ("GET", "/admin/orders/<number>/payments"): lambda w: Sent(200, path={"number": _order(w).number}),
    ("POST", "/admin/orders/<number>/payments"): lambda w: Sent(
        200, _RECORDED, version=1, path={"number": _order(w).number}
    ),
    ("GET", "/admin/orders/<number>/refunds"): lambda w: Sent(200, path={"number": _order(w).number}),
    ("POST", "/admin/orders/<number>/refunds"): lambda w: Sent(
        201, _REFUND, version=1, path={"number": _paid(w).number}
    ),
    ("GET", "/admin/orders/<number>/refunds/<int:refund_id>"): lambda w: Sent(200, path=_refunded(w)),
    ("POST", "/admin/orders/<number>/refunds/<int:refund_id>/retry"): lambda w: Sent(
        201, {"by_hand": True}, path=_refunded(w, is_failed=True)
    ),
    ("DELETE", "/admin/orders/<number>/attention"): lambda w: Sent(200, version=3, path=_shown(w)),
    ("GET", "/admin/provider-events"): lambda _: Sent(200),
    ("GET", "/admin/provider-events/<int:event_id>"): lambda w: Sent(200, path=_notice(w)),
    ("POST", "/payments/<provider>/webhook"): lambda _: Sent(400, {}, path={"provider": "manual"}),  # nobody sends any
    ("POST", "/admin/orders"): lambda w: Sent(201, _order_in(w)),
    ("GET", "/admin/orders/export"): lambda _: Sent(200),
    ("GET", "/admin/orders/<number>"): lambda w: Sent(200, path={"number": _order(w).number}),
    ("PATCH", "/admin/orders/<number>"): lambda w: Sent(
        200, {"email": "ada@example.org"}, version=1, path={"number": _order(w).number}
    ),
    ("POST", "/admin/orders/<number>/cancel"): lambda w: Sent(200, {}, version=1, path={"number": _order(w).number}),
    ("POST", "/admin/orders/<number>/notes"): lambda w: Sent(
        201, {"text": "Called"}, path={"number": _order(w).number}
    ),
    ("GET", "/admin/orders/<number>/events"): lambda w: Sent(200, path={"number": _order(w).number}),
    # shipments
    ("GET", "/admin/orders/<number>/shipments"): lambda w: Sent(200, path={"number": _order(w).number}),
    ("POST", "/admin/orders/<number>/shipments"): lambda w: Sent(
        201, {"carrier": "DHL"}, version=1, path={"number": _order(w).number}
    ),
    ("GET", "/admin/orders/<number>/shipments/<int:shipment_id>"): lambda w: Sent(200, path=_shipped(w)),
    ("PATCH", "/admin/orders/<number>/shipments/<int:shipment_id>"): lambda w: Sent(
        200, {"carrier": "UPS"}, version=1, path=_shipped(w)
    ),
    ("POST", "/admin/orders/<number>/shipments/<int:shipment_id>/deliver"): lambda w: Sent(200, path=_shipped(w)),
    ("POST", "/admin/orders/<number>/deliver"): lambda w: Sent(200, path={"number": _shipped(w)["number"]}),
    ("POST", "/admin/orders/<number>/allocate"): lambda w: Sent(200, path=_robbed(w)),
    ("GET", "/admin/orders/<number>/returns"): lambda w: Sent(200, path={"number": _order(w).number}),
    ("POST", "/admin/orders/<number>/returns"): _return_body,
    ("GET", "/admin/orders/<number>/returns/<int:return_id>"): lambda w: Sent(200, path=_returned(w)),
    ("GET", "/tracking"): lambda w: Sent(200, headers=_link_of_order(w)),
    # stock
    ("GET", "/inventory/<int:product_id>"): lambda w: Sent(200, path={"product_id": _product(w)}),
    ("PUT", "/inventory/<int:product_id>"): lambda w: Sent(
        200, {"kind": "received", "delta": 5}, path={"product_id": _product(w)}
    ),
    ("PATCH", "/inventory/<int:product_id>"): lambda w: Sent(
        200, {"low_stock_threshold": 2}, path={"product_id": _product(w)}
    ),
    ("GET", "/inventory/changes/<int:product_id>"): lambda w: Sent(200, path={"product_id": _product(w)}),
    # coupons
    ("POST", "/coupons"): lambda _: Sent(201, {"code": "welcome", "percent": "10"}),
    ("GET", "/coupons/<int:coupon_id>"): lambda w: Sent(200, path=_coupon(w)),
    ("PATCH", "/coupons/<int:coupon_id>"): lambda w: Sent(200, {"max_uses": 9}, version=1, path=_coupon(w)),
    ("DELETE", "/coupons/<int:coupon_id>"): lambda w: Sent(204, version=1, path=_coupon(w)),
    ("POST", "/coupons/<int:coupon_id>/restore"): lambda w: Sent(200, path=_coupon(w, is_deleted=True)),
    ("GET", "/coupons/<int:coupon_id>/uses"): lambda w: Sent(200, path=_coupon(w)),
    ("GET", "/sales/totals"): lambda _: Sent(200),
    ("GET", "/products/<string:asin>/recommendations"): lambda w: Sent(200, path=_asin_of(_product(w))),
    ("GET", "/sales/analytics"): lambda _: Sent(200),
    ("GET", "/sales/revenue/comparison"): lambda _: Sent(200),
    ("GET", "/sales/by-category"): lambda _: Sent(200),
    ("GET", "/sales/top-products"): lambda _: Sent(200),
    # the farm
    ("POST", "/product-filters"): lambda _: Sent(201, {"name": "Kettles", "filter": {"brand": "Hearth"}}),
    ("GET", "/product-filters/<int:filter_id>"): lambda w: Sent(200, path={"filter_id": _saved_filter(w)}),
    ("PUT", "/product-filters/<int:filter_id>"): lambda w: Sent(
        200, {"name": "All", "filter": {}}, version=1, path={"filter_id": _saved_filter(w)}
    ),
    ("DELETE", "/product-filters/<int:filter_id>"): lambda w: Sent(
        204, version=1, path={"filter_id": _saved_filter(w)}
    ),
    ("POST", "/storefronts"): lambda _: Sent(201, {"code": "shop", "name": "Shop", "profile": profile()}),
    ("GET", "/storefronts/<int:storefront_id>"): lambda w: Sent(200, path={"storefront_id": _storefront(w)}),
    ("PUT", "/storefronts/<int:storefront_id>"): lambda w: Sent(
        200, {"name": "Shop 2", "profile": profile()}, version=1, path={"storefront_id": _storefront(w)}
    ),
    ("DELETE", "/storefronts/<int:storefront_id>"): lambda w: Sent(
        204, version=1, path={"storefront_id": _storefront(w)}
    ),
    ("GET", "/storefronts/<int:storefront_id>/robots"): lambda w: Sent(200, path={"storefront_id": _storefront(w)}),
    ("POST", "/storefronts/<int:storefront_id>/robots/refresh"): lambda w: Sent(
        202, path={"storefront_id": _storefront(w)}
    ),
    ("GET", "/storefronts/<int:storefront_id>/profile-versions"): lambda w: Sent(200, path=_version(w, own=False)),
    ("POST", "/storefronts/<int:storefront_id>/profile-versions"): lambda w: Sent(
        201, {"profile": profile(currency="EUR"), "note": "Euros"}, path=_version(w, own=False)
    ),
    ("GET", f"{_VERSION}"): lambda w: Sent(200, path=_version(w)),
    ("GET", f"{_VERSION}/diff"): lambda w: Sent(200, path=_version(w)),
    ("POST", f"{_VERSION}/replay"): lambda w: Sent(202, path=_version(w)),
    ("GET", f"{_VERSION}/replay"): lambda w: Sent(200, path=_replay(w)),
    ("DELETE", f"{_VERSION}"): lambda w: Sent(204, path=_version(w)),
    ("POST", f"{_VERSION}/activate"): lambda w: Sent(200, {}, version=1, path=_version(w)),
    ("POST", "/storefronts/<int:storefront_id>/end-cooldown"): lambda w: Sent(200, path=_cooling(w)),
    ("GET", "/products/<int:product_id>/cart-options"): lambda w: Sent(200, path=_part(_cart_options(w), "product_id")),
    ("GET", _OPTIONS): lambda w: Sent(200, path=_cart_options(w)),
    ("PUT", _OPTIONS): lambda w: Sent(200, {"options": {"size": "L"}}, version=_OPTIONS_VERSION, path=_cart_options(w)),
    ("DELETE", _OPTIONS): lambda w: Sent(204, version=_OPTIONS_VERSION, path=_cart_options(w)),
    ("GET", "/storefronts/<int:storefront_id>/cart-options"): lambda w: Sent(
        200, path=_part(_cart_options(w), "storefront_id")
    ),
    ("POST", "/storefronts/<int:storefront_id>/cart-options"): lambda w: Sent(
        200,
        {"entries": [{"asin": "B000000001", "options": None}]},
        path=_part(_cart_options(w), "storefront_id"),
    ),
    ("POST", "/storefronts/<int:storefront_id>/try"): lambda w: Sent(
        202, {"asin": "B000000001"}, path={"storefront_id": _storefront(w)}
    ),
    ("GET", "/storefronts/<int:storefront_id>/tries"): lambda w: Sent(200, path=_try(w, own=False)),
    ("POST", "/storefronts/suggest"): lambda _: Sent(202, {"urls": [_PRODUCT_PAGE]}),
    ("GET", "/storefronts/suggestions/<int:suggestion_id>"): lambda w: Sent(
        200, path={"suggestion_id": w.run(submit_suggestion, actor=system(), urls=[_PRODUCT_PAGE]).id}
    ),
    ("GET", f"{_TRY}"): lambda w: Sent(200, path=_try(w)),
    ("GET", f"{_TRY}/screenshot"): lambda w: Sent(200, path=_try(w)),
    ("POST", "/jobs"): lambda w: Sent(202, _job_body(w)),
    ("GET", "/jobs/<int:job_id>"): lambda w: Sent(200, path={"job_id": _errand(w).job_id}),
    ("POST", "/jobs/estimate"): lambda w: Sent(200, _job_body(w)),
    ("POST", "/jobs/upload"): lambda w: Sent(202, _file_job(w), file=b"asin\nB000000001\n"),
    ("PATCH", "/jobs/<int:job_id>"): lambda w: Sent(200, {"priority": "high"}, version=1, path=_job(w)),
    ("POST", "/jobs/<int:job_id>/pause"): lambda w: Sent(202, path=_job(w)),
    ("POST", "/jobs/<int:job_id>/resume"): lambda w: Sent(202, path=_job(w, paused=True)),
    ("POST", "/jobs/<int:job_id>/cancel"): lambda w: Sent(202, path={"job_id": _errand(w).job_id}),
    ("POST", "/jobs/<int:job_id>/retry"): lambda w: Sent(202, {"outcomes": ["CANCELLED"]}, path=_job(w, ended=True)),
    ("POST", "/jobs/<int:job_id>/clone"): lambda w: Sent(202, {"name": "Once more"}, path=_job(w)),
    ("GET", "/jobs/<int:job_id>/tasks"): lambda w: Sent(200, path={"job_id": _errand(w).job_id}),
    ("POST", "/alert-rules"): lambda _: Sent(201, _RULE),
    ("GET", "/alert-rules/<int:rule_id>"): lambda w: Sent(200, path=_rule(w)),
    ("PUT", "/alert-rules/<int:rule_id>"): lambda w: Sent(200, _RULE, version=1, path=_rule(w)),
    ("DELETE", "/alert-rules/<int:rule_id>"): lambda w: Sent(204, version=1, path=_rule(w)),
    ("POST", "/alert-rules/<int:rule_id>/pause"): lambda w: Sent(200, path=_rule(w)),
    ("POST", "/alert-rules/<int:rule_id>/resume"): lambda w: Sent(200, path=_paused_rule(w)),
    ("POST", "/alert-rules/preview"): lambda _: Sent(200, {"kind": "price", "when": {"percent": 10}}),
    ("GET", "/alerts/unread"): lambda _: Sent(200),
    ("POST", "/alerts/read"): lambda w: Sent(200, {"up_to_id": _alert(w)["alert_id"]}),
    ("GET", "/alerts/<int:alert_id>"): lambda w: Sent(200, path=_alert(w)),
    ("POST", "/alerts/<int:alert_id>/read"): lambda w: Sent(200, path=_alert(w)),
    ("POST", "/alerts/<int:alert_id>/dismiss"): lambda w: Sent(200, path=_alert(w)),
    ("GET", "/report-kinds/<kind>/readers"): lambda _: Sent(200, path={"kind": "sales_by_day"}),
    ("POST", "/reports"): lambda w: Sent(201, _REPORT | {"schedule": _MONDAYS}),
    ("POST", "/reports/preview"): lambda _: Sent(200, {"kind": "sales_by_week", "period": "this_month"}),
    ("GET", "/reports/<int:report_id>"): lambda w: Sent(200, path=_report(w)),
    ("PUT", "/reports/<int:report_id>"): lambda w: Sent(200, _REPORT, version=1, path=_report(w)),
    ("DELETE", "/reports/<int:report_id>"): lambda w: Sent(204, version=1, path=_report(w)),
    ("GET", "/reports/<int:report_id>/figures"): lambda w: Sent(200, path=_report(w)),
    ("GET", "/reports/<int:report_id>/csv"): lambda w: Sent(200, path=_report(w)),
    ("GET", "/reports/<int:report_id>/chart"): lambda w: Sent(200, path=_report(w)),
    ("GET", "/shared-reports/<token>/chart"): lambda w: Sent(200, path=_share(w)),
    ("POST", "/reports/<int:report_id>/run"): lambda w: Sent(202, path=_report(w)),
    ("POST", "/reports/<int:report_id>/pause"): lambda w: Sent(200, path=_report(w)),
    ("POST", "/reports/<int:report_id>/resume"): lambda w: Sent(200, path=_report(w, is_active=False)),
    ("GET", "/reports/<int:report_id>/runs"): lambda w: Sent(200, path=_report(w)),
    ("GET", "/reports/<int:report_id>/runs/<int:run_id>"): lambda w: Sent(200, path=_report_run(w)),
    ("GET", "/reports/<int:report_id>/runs/<int:run_id>/csv"): lambda w: Sent(200, path=_report_run(w)),
    ("GET", "/reports/<int:report_id>/runs/<int:run_id>/picture"): lambda w: Sent(200, path=_drawn(w)),
    ("GET", "/reports/<int:report_id>/shares"): lambda w: Sent(200, path=_report(w)),
    ("POST", "/reports/<int:report_id>/shares"): lambda w: Sent(201, path=_report(w)),
    ("DELETE", "/reports/<int:report_id>/shares/<int:share_id>"): lambda w: Sent(204, path=_share(w)),
    ("GET", "/reports/<int:report_id>/runs/<int:run_id>/failed-mails"): lambda w: Sent(200, path=_report_run(w)),
    ("POST", "/reports/<int:report_id>/runs/<int:run_id>/failed-mails"): lambda w: Sent(202, path=_failed_mail(w)),
    ("DELETE", "/left-reports/<int:report_id>"): lambda w: Sent(204, version=1, path=_left_report(w)),
    ("POST", "/left-reports/<int:report_id>/take-over"): lambda w: Sent(200, path=_left_report(w)),
    ("GET", "/shared-reports/<token>"): lambda w: Sent(200, path=_share(w)),
    ("GET", "/shared-reports/<token>/csv"): lambda w: Sent(200, path=_share(w)),
    ("POST", "/job-schedules"): lambda w: Sent(201, _schedule_body(w)),
    ("POST", "/job-schedules/preview"): lambda _: Sent(200, {"cron": "0 6 * * *"}),
    ("GET", "/job-schedules/<int:schedule_id>"): lambda w: Sent(200, path=_schedule(w)),
    ("PUT", "/job-schedules/<int:schedule_id>"): lambda w: Sent(
        200, {"name": "Hourly", "every_s": 3600, "job": _SCHEDULED}, version=1, path=_schedule(w)
    ),
    ("DELETE", "/job-schedules/<int:schedule_id>"): lambda w: Sent(204, version=1, path=_schedule(w)),
    ("POST", "/job-schedules/<int:schedule_id>/run-now"): lambda w: Sent(202, path=_schedule(w)),
    ("POST", "/job-schedules/<int:schedule_id>/pause"): lambda w: Sent(200, path=_schedule(w)),
    ("POST", "/job-schedules/<int:schedule_id>/resume"): lambda w: Sent(200, path=_schedule(w, is_active=False)),
    ("GET", "/job-schedules/<int:schedule_id>/runs"): lambda w: Sent(200, path=_schedule(w)),
    ("GET", "/workers/<int:worker_id>"): lambda w: Sent(200, path=_worker(w)),
    ("POST", "/workers/<int:worker_id>/drain"): lambda w: Sent(200, path=_worker(w)),
    ("POST", "/workers/<int:worker_id>/resume"): lambda w: Sent(200, path=_worker(w, wanted=Wanted.DRAIN)),
    ("POST", "/workers/<int:worker_id>/stop"): lambda w: Sent(200, path=_worker(w)),
    ("GET", "/products/<int:product_id>/observations"): lambda w: Sent(200, path=_observed(w), query=_IN_SHOP),
    ("GET", "/products/<int:product_id>/observations/days"): lambda w: Sent(200, path=_observed(w), query=_IN_SHOP),
    ("GET", "/products/<string:asin>/price-history"): lambda w: Sent(200, path={"asin": _stocked(w)["asin"]}),
    ("POST", "/observed-changes/<int:change_id>/accept"): lambda w: Sent(200, path=_flagged(w)),
    ("POST", "/observed-changes/<int:change_id>/dismiss"): lambda w: Sent(200, path=_flagged(w)),
    ("GET", "/tasks/<int:task_id>"): lambda w: Sent(200, path={"task_id": _errand(w).id}),
    ("GET", "/tasks/<int:task_id>/evidence"): lambda w: Sent(200, path={"task_id": _errand(w).id}),
    ("GET", "/evidence/<int:evidence_id>"): lambda w: Sent(200, path=_evidence(w)),
    ("POST", "/view-product"): lambda w: Sent(202, _stocked(w)),
    ("POST", "/add-to-cart"): lambda w: Sent(202, _stocked(w)),
}
"""By method and path below /api/v1: what makes a valid call."""
