"""The API of registering, of proving an address, and of setting a forgotten password anew."""

from __future__ import annotations

from typing import Any, Final

from flask.views import MethodView

from app.auth.addressee import addressee, owner
from app.auth.authentication import client
from app.auth.schemas.registration import (
    AddressSchema,
    AnnouncementSchema,
    NewPasswordSchema,
    RegistrationSchema,
    VerificationSchema,
)
from app.auth.services import credentials, registration
from app.core.api import ApiBlueprint
from app.core.orm import utc_now
from app.core.rates import limited

blp = ApiBlueprint("registering", __name__, description="Registering, proving an address, forgotten passwords")

ANNOUNCEMENT: Final = {"detail": "If this address can be written to, a mail is on its way."}
TOO_OFTEN: Final = "Too many from this network address, or for this email address"


@blp.route("/auth/register")
class Register(MethodView):
    """Somebody wants an account."""

    @blp.public
    @limited("registration")
    @limited("mail_to_one", by=addressee, but_refusals=True)
    @blp.arguments(RegistrationSchema)
    @blp.answers(202, AnnouncementSchema)
    @blp.alt_response(403, description="REGISTRATION_CLOSED: nobody may register at present")
    @blp.alt_response(429, description=TOO_OFTEN)
    def post(self, sent: dict[str, Any]) -> Any:
        """Register: a mail with a link is sent, which POST /auth/verify-email completes within two days.

        The answer is the same whether the address has an account; if so, the mail says that. A password has 8 to 128
        characters, is none of the most common ones, and does not contain the address or its part before the @.
        """
        registration.register(client=client(), now=utc_now(), **sent)
        return ANNOUNCEMENT


@blp.route("/auth/resend-verification")
class ResendVerification(MethodView):
    """The mail of a registration, again."""

    @blp.public
    @limited("mail")
    @limited("mail_to_one", by=addressee, but_refusals=True)
    @blp.arguments(AddressSchema)
    @blp.answers(202, AnnouncementSchema)
    @blp.alt_response(429, description=TOO_OFTEN)
    def post(self, sent: dict[str, Any]) -> Any:
        """Ask for the mail of a registration once more; the answer is the same for every address."""
        registration.ask_for_verification(email=sent["email"])
        return ANNOUNCEMENT


@blp.route("/auth/verify-email")
class VerifyEmail(MethodView):
    """The end of a registration."""

    @blp.public
    @limited("login")
    @blp.arguments(VerificationSchema)
    @blp.answers(204)
    @blp.alt_response(401, description="LOGIN_REFUSED: not the password that was chosen; the link stays good")
    @blp.alt_response(429, description="Too many attempts")
    def post(self, sent: dict[str, Any]) -> None:
        """Complete a registration by the mail's token and the password that was chosen; then log in.

        A token that is unknown, was used or has expired is refused as LINK_REFUSED. The password is asked for so that
        nobody completes an account that somebody else has prepared with their address.
        """
        registration.verify_email(client=client(), now=utc_now(), **sent)


@blp.route("/auth/forgot-password")
class ForgotPassword(MethodView):
    """A mail to set a new password."""

    @blp.public
    @limited("mail")
    @limited("mail_to_one", by=owner, but_refusals=True)
    @blp.arguments(AddressSchema)
    @blp.answers(202, AnnouncementSchema)
    @blp.alt_response(429, description=TOO_OFTEN)
    def post(self, sent: dict[str, Any]) -> Any:
        """Ask for a mail with a link to set a new password; the answer is the same for every address."""
        registration.ask_for_reset(client=client(), email=sent["email"])
        return ANNOUNCEMENT


@blp.route("/auth/reset-password")
class ResetPassword(MethodView):
    """A new password."""

    @blp.public
    @limited("login")
    @blp.arguments(NewPasswordSchema)
    @blp.answers(204)
    @blp.alt_response(429, description="Too many attempts")
    def post(self, sent: dict[str, Any]) -> None:
        """Set a password by the token of a reset (one hour) or an invitation (seven days); all sessions end.

        A token that is unknown, was used or has expired is refused as LINK_REFUSED; one that is refused because of the
        password stays good.
        """
        credentials.reset_password(client=client(), now=utc_now(), **sent)
