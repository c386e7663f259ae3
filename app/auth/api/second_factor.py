"""The API of one's own second factor: authenticator app, recovery codes, remembered devices."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask.views import MethodView

from app.auth.qr import qr_code
from app.auth.queries import second_factor as queries
from app.auth.schemas.second_factor import (
    DevicePage,
    FirstCodeSchema,
    RecoveryCodesSchema,
    SecondFactorSchema,
    SetUpSchema,
)
from app.auth.services import devices, totp
from app.core.api import ApiBlueprint, current_principal
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.core.rates import limited

blp = ApiBlueprint("second-factor", __name__, description="One's own second factor")


@blp.route("/me/second-factor")
class SecondFactor(MethodView):
    """What one has of it."""

    @blp.personal()
    @blp.answers(200, SecondFactorSchema)
    def get(self) -> Any:
        """Get what one has of a second factor, and which roles need one."""
        return queries.get_second_factor(current_principal().require_person(), utc_now())


@blp.route("/me/totp")
class Totp(MethodView):
    """The authenticator app."""

    @blp.personal(fresh=True)
    @blp.answers(201, SetUpSchema, secret=True)
    @blp.alt_response(409, description="There is an authenticator app")
    def post(self) -> Any:
        """Start to set up an authenticator app; it counts once its first code has been sent, within 30 minutes."""
        started = totp.start_totp(actor=current_principal(), now=utc_now())
        return asdict(started) | {"qr": qr_code(started.uri)}


@blp.route("/me/totp/confirm")
class ConfirmTotp(MethodView):
    """The end of the set-up."""

    @blp.personal(fresh=True)
    @limited("login")
    @blp.arguments(FirstCodeSchema)
    @blp.answers(200, RecoveryCodesSchema, secret=True)
    @blp.alt_response(429, description="Too many attempts")
    def post(self, sent: dict[str, Any]) -> Any:
        """Finish the set-up by the app's first code; the answer has the recovery codes, which are shown only now."""
        return {"codes": totp.confirm_totp(actor=current_principal(), now=utc_now(), **sent)}


@blp.route("/me/totp/disable")
class DisableTotp(MethodView):
    """Without the app."""

    @blp.personal(fresh=True)
    @blp.answers(204)
    @blp.alt_response(409, description="A role needs it and there is no passkey, or there is no authenticator app")
    def post(self) -> Any:
        """Switch the authenticator app off; recovery codes and remembered devices go with it."""
        totp.disable_totp(actor=current_principal())


@blp.route("/me/recovery-codes")
class RecoveryCodes(MethodView):
    """Codes on paper."""

    @blp.personal(fresh=True)
    @blp.answers(201, RecoveryCodesSchema, secret=True)
    @blp.alt_response(409, description="There is no authenticator app")
    def post(self) -> Any:
        """Make new recovery codes, which are shown only now; the old ones work no more."""
        return {"codes": totp.renew_recovery_codes(actor=current_principal(), now=utc_now())}


@blp.route("/me/devices")
class Devices(MethodView):
    """Remembered devices."""

    @blp.personal(complete=True)
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, DevicePage)
    def get(self, page: dict[str, Any]) -> Any:
        """List the devices that need no code for a while, newest first."""
        return queries.list_devices(current_principal().require_person(), utc_now(), **page)

    @blp.unversioned
    @blp.personal(complete=True)
    @blp.answers(204)
    def delete(self) -> Any:
        """Forget all devices: each of them needs a code at its next login."""
        actor = current_principal()
        devices.forget_devices(actor=actor, user_id=actor.require_person())


@blp.route("/me/devices/<int:device_id>")
class Device(MethodView):
    """One remembered device."""

    @blp.unversioned
    @blp.personal(complete=True)
    @blp.answers(204)
    def delete(self, device_id: int) -> Any:
        """Forget a device: it needs a code at its next login."""
        devices.forget_device(actor=current_principal(), device_id=device_id)
