"""The API of one's own password and address."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.auth.addressee import addressee
from app.auth.api.registration import ANNOUNCEMENT, TOO_OFTEN
from app.auth.authentication import client
from app.auth.schemas.credentials import EmailChangeSchema, LinkSchema, PasswordChangeSchema
from app.auth.schemas.registration import AnnouncementSchema
from app.auth.services import credentials
from app.core.api import ApiBlueprint, current_principal
from app.core.orm import utc_now
from app.core.rates import limited

blp = ApiBlueprint("password-and-email", __name__, description="One's own password and email address")


@blp.route("/me/password")
class OwnPassword(MethodView):
    """One's own password."""

    @blp.personal(complete=True)
    @limited("login")
    @blp.arguments(PasswordChangeSchema)
    @blp.answers(204)
    @blp.alt_response(429, description="Too many attempts")
    def post(self, sent: dict[str, Any]) -> None:
        """Change your password; all other sessions end. Who has none (OAuth) sets one by POST /auth/forgot-password."""
        credentials.change_password(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/me/email")
class OwnEmail(MethodView):
    """One's own address."""

    @blp.personal(complete=True)
    @limited("mail")
    @limited("mail_to_one", by=addressee, but_refusals=True)
    @blp.arguments(EmailChangeSchema)
    @blp.answers(202, AnnouncementSchema)
    @blp.alt_response(429, description=TOO_OFTEN)
    def post(self, sent: dict[str, Any]) -> Any:
        """Ask for another email address: a link goes there, good for one hour, and a notice to the present one.

        The answer is the same whether another account has that address.
        """
        credentials.ask_to_change_email(actor=current_principal(), **sent)
        return ANNOUNCEMENT


@blp.route("/auth/change-email")
class ChangeEmail(MethodView):
    """The end of a change of address."""

    @blp.public
    @limited("login")
    @blp.arguments(LinkSchema)
    @blp.answers(204)
    @blp.alt_response(409, description="EMAIL_TAKEN: another account has the address by now")
    @blp.alt_response(429, description="Too many attempts")
    def post(self, sent: dict[str, Any]) -> None:
        """Change to the address that the link was sent to; sessions stay."""
        credentials.change_email(client=client(), now=utc_now(), **sent)
