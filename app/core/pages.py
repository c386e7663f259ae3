"""The edge of the pages: who may enter, CSRF on every form, and where one may be sent afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Flask, Response, flash, redirect, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from app.core.api import current_principal, require_fresh
from app.core.errors import Conflict, FreshLoginRequired, Invalid, Refusal, StaleVersion, Unauthenticated
from app.core.extensions import csrf
from app.core.menu import home_of, register_menu
from app.core.permissions import CATALOGUE, Principal, SecondFactorMissing, by_resource

View = Callable[..., Any]

_LONGEST_FILTER: Final = 255


class PageBlueprint(Blueprint):
    """A blueprint of HTML pages whose views say who may enter; who may not is sent to log in, or refused on a page.

    Who lacks the second factor that a role needs is sent to set one up, unless the pages are for just that (``setup``).
    """

    def __init__(self, *args: Any, setup: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._complete = not setup
        self.before_request(self._protect)
        self.after_request(self._seal)

    def requires(self, permission: str, *, fresh: bool = False) -> Callable[[View], View]:
        """Let in only people with this permission; with ``fresh`` only those who proved it to be them a while ago."""
        if permission not in CATALOGUE:
            raise ValueError(permission)
        return partial(_guard, permission, fresh, True)

    def signed_in(self, view: View) -> View:
        """Let in everybody who is logged in."""
        return _guard(None, False, self._complete, view)

    def fresh(self, view: View) -> View:
        """Let in everybody who is logged in and has proven a short while ago who they are."""
        return _guard(None, True, self._complete, view)

    def public(self, view: View) -> View:
        """Let everybody in; said out loud, so that forgetting is visible."""
        view.access = "public"  # type: ignore[attr-defined]
        return view

    @staticmethod
    def _protect() -> None:
        if request.method not in {"GET", "HEAD", "OPTIONS"}:
            csrf.protect()

    @staticmethod
    def _seal(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response


def is_our_path(target: str | None) -> bool:
    """Whether a text is a path of this site that one may be sent to: ``/a?b``, never ``//host`` and its likes."""
    if not target or not target.startswith("/") or target[1:2] in {"/", "\\"} or not target.isprintable():
        return False
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc and "\\" not in target


def next_path(default: str) -> str:
    """Where to go after this page: ``next`` of the query or form where that is a path of ours."""
    asked = request.values.get("next")
    return asked if asked and is_our_path(asked) else default


def text_argument(name: str) -> str | None:
    """A filter of the address, trimmed; None where there is nothing in it."""
    return request.args.get(name, "").strip()[:_LONGEST_FILTER].replace("\0", "") or None


@contextmanager
def flash_outcome(done: str) -> Iterator[None]:
    """Tell on the next page that it is done, or why it was refused by the state of things."""
    try:
        yield
    except (Conflict, StaleVersion) as refusal:
        flash(refusal.detail, "danger")
    except Invalid as refusal:  # a button has no field to say it beside
        said = " ".join(f"{error.pointer.strip('/').capitalize()} {error.detail}" for error in refusal.errors)
        flash(said or refusal.detail, "danger")
    else:
        flash(done, "success")


def _guard(permission: str | None, fresh: bool, complete: bool, view: View) -> View:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            principal = current_principal()
            if permission is not None:
                principal.require(permission)
            if complete:
                principal.require_complete_login()
            if fresh:
                require_fresh(principal)
        except FreshLoginRequired:
            return redirect(url_for("login.confirm", next=_back()))
        except Unauthenticated:
            return redirect(url_for("login.log_in", next=_back()))
        except SecondFactorMissing:
            return redirect(url_for("second_factor.overview", next=_back()))
        return view(*args, **kwargs)

    guarded.access = permission or "authenticated"  # type: ignore[attr-defined]
    guarded.is_page = True  # type: ignore[attr-defined]
    return guarded


def _back() -> str:
    """The page to return to: this one, or where it was asked from when it was a form."""
    if request.method in {"GET", "HEAD"}:
        return request.full_path.rstrip("?")
    referrer = urlsplit(request.referrer or "")
    return referrer.path if is_our_path(referrer.path) else "/"


def register_pages(app: Flask) -> None:
    """Give templates what every page needs: ``may("users:read")``, who is logged in, and this page's address.

    ``/`` leads to the first page that somebody may open, or to log in.
    """
    app.jinja_env.globals |= {
        "may": _may,
        "me": _me,
        "here": here,
        "permissions_by_resource": by_resource,
        "catalogue_size": CATALOGUE.__len__,
    }
    app.jinja_env.tests["page"] = app.view_functions.__contains__
    register_menu(app)
    _root.access = "public"  # type: ignore[attr-defined]
    app.add_url_rule("/", "root", _root)


def here(**changes: str | None) -> str:
    """The path and query of this page, with these parameters of the query changed or, being None, left out."""
    query = {name: values for name, values in request.args.lists() if name not in changes}
    changed = {name: value for name, value in changes.items() if value is not None}
    text = urlencode({**query, **changed}, doseq=True)
    return f"{request.path}?{text}" if text else request.path


def _root() -> Any:
    principal = _me()
    return redirect(url_for("login.log_in") if principal is None else home_of(principal))


def _me() -> Principal | None:
    try:
        return current_principal()
    except Refusal:
        return None
    except (SQLAlchemyError, HTTPException):  # the page that says so (a form without its token) must still be shown
        return None


def _may(permission: str) -> bool:
    if permission not in CATALOGUE:
        raise ValueError(permission)
    principal = _me()
    return principal is not None and principal.may(permission)
