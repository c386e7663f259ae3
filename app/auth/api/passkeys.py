"""The passkeys' API: logging in with one, and one's own."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.auth import visitor
from app.auth.api.tokens import start
from app.auth.authentication import client
from app.auth.queries.second_factor import list_passkeys
from app.auth.relying_party import relying_party
from app.auth.schemas.passkeys import (
    AnswerSchema,
    AskedSchema,
    PasskeyIn,
    PasskeyLogInSchema,
    PasskeyName,
    PasskeyPage,
    PasskeySchema,
)
from app.auth.schemas.tokens import TokenSchema
from app.auth.services import passkeys
from app.core.api import ApiBlueprint, current_principal
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.core.rates import limited

blp = ApiBlueprint("passkeys", __name__, description="Passkeys: logging in without a password")


@blp.route("/auth/passkeys/options")
class LogInOptions(MethodView):
    """The question."""

    @blp.public
    @limited("login")
    @blp.answers(200, AskedSchema, secret=True)
    @blp.alt_response(429, description="Too many from this address")
    def post(self) -> Any:
        """Get what to ask a browser for, to log in or confirm with a passkey; it is the same for everybody."""
        return passkeys.start_log_in(party=relying_party(), now=utc_now())


@blp.route("/auth/passkeys/login")
class LogIn(MethodView):
    """Tokens for a passkey."""

    @blp.takes_header(visitor.HEADER, visitor.AT_LOGIN, visitor.EXAMPLE)
    @blp.public
    @limited("login")
    @blp.arguments(PasskeyLogInSchema)
    @blp.answers(200, TokenSchema, secret=True)
    @blp.alt_response(429, description="Too many attempts from this address")
    def post(self, sent: dict[str, Any]) -> Any:
        """Log in with a passkey, which is both factors in one: tokens for the browser's answer."""
        in_cookie = sent.pop("cookie")
        proof = passkeys.log_in(party=relying_party(), client=client(), now=utc_now(), **sent)
        return start(proof, cookie=in_cookie)


@blp.route("/auth/passkeys/confirm")
class Confirm(MethodView):
    """A recent proof."""

    @blp.personal()
    @limited("login")
    @blp.arguments(AnswerSchema)
    @blp.answers(204)
    @blp.alt_response(429, description="Too many attempts")
    def post(self, sent: dict[str, Any]) -> Any:
        """Confirm who you are with one of your passkeys; the session then counts as proven by a second factor."""
        passkeys.confirm(actor=current_principal(), party=relying_party(), now=utc_now(), **sent)


@blp.route("/me/passkeys/options")
class RegistrationOptions(MethodView):
    """The question."""

    @blp.personal(fresh=True)
    @blp.answers(200, AskedSchema, secret=True)
    @blp.alt_response(409, description="There are as many passkeys as there may be")
    def post(self) -> Any:
        """Get what to ask a browser for, to add a passkey."""
        return passkeys.start_registration(actor=current_principal(), party=relying_party(), now=utc_now())


@blp.route("/me/passkeys")
class Passkeys(MethodView):
    """One's own passkeys."""

    @blp.personal()
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, PasskeyPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List one's passkeys, oldest first."""
        return list_passkeys(current_principal().require_person(), **page)

    @blp.personal(fresh=True)
    @blp.arguments(PasskeyIn)
    @blp.answers(201, PasskeySchema, location=lambda row: url_for("passkeys.Passkey", passkey_id=row.id))
    @blp.alt_response(409, description="The passkey is known, or there are as many as there may be")
    def post(self, sent: dict[str, Any]) -> Any:
        """Add a passkey from the browser's answer."""
        return passkeys.add_passkey(actor=current_principal(), party=relying_party(), now=utc_now(), **sent)


@blp.route("/me/passkeys/<int:passkey_id>")
class Passkey(MethodView):
    """One passkey."""

    @blp.unversioned
    @blp.personal(complete=True)
    @blp.arguments(PasskeyName)
    @blp.answers(200, PasskeySchema)
    def patch(self, sent: dict[str, Any], passkey_id: int) -> Any:
        """Give a passkey another name."""
        return passkeys.rename_passkey(actor=current_principal(), passkey_id=passkey_id, **sent)

    @blp.unversioned
    @blp.personal(fresh=True)
    @blp.answers(204)
    @blp.alt_response(409, description="It is the last second factor, and a role needs one")
    def delete(self, passkey_id: int) -> Any:
        """Remove a passkey."""
        passkeys.remove_passkey(actor=current_principal(), passkey_id=passkey_id)
