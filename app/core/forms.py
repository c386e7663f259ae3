"""Forms of the pages: what a service refuses is shown beside the field that it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask_wtf import FlaskForm
from wtforms import Field

from app.core.errors import Conflict, FreshLoginRequired, Invalid, NotFound, Refusal, TooManyRequests

_SHOWN: Final = (Invalid, Conflict, NotFound, TooManyRequests)


class Form(FlaskForm):
    """A form with a CSRF token; ``does`` runs what it is for."""

    def does(self, work: Callable[[], Any], *, also: tuple[type[Refusal], ...] = ()) -> bool:
        """Whether the form was sent, is complete, and ``work`` was not refused.

        A refusal's field errors are put beside the fields that their pointers name, everything else above the form.
        ``also`` are further kinds to show (a wrong password); other refusals go on to the error page.
        """
        if not self.validate_on_submit():
            return False
        try:
            work()
        except Refusal as refusal:
            if isinstance(refusal, FreshLoginRequired) or not isinstance(refusal, (*_SHOWN, *also)):
                raise
            self._show(refusal)
            return False
        return True

    def status(self) -> int:
        """What a page with this form answers: 422 where something is wrong with what was sent, else 200."""
        return 422 if self.errors else 200

    def _show(self, refusal: Refusal) -> None:
        named = False
        for error in refusal.errors:
            field: Field | None = self._fields.get(error.pointer.strip("/").split("/")[0])
            if field is not None:
                field.errors = [*field.errors, error.detail[:1].upper() + error.detail[1:]]
                named = True
        if not named:
            self.form_errors.append(refusal.detail)
