"""Forms of the pages: what a service refuses is shown beside the field that it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import marshmallow
from flask import request
from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length, StopValidation
from wtforms.widgets import CheckboxInput, ListWidget

from app.core import fields
from app.core.errors import Conflict, FreshLoginRequired, Invalid, NotFound, Refusal, StaleVersion, TooManyRequests

_KEEP: Final = "keep-"
_NEEDED: Final = "This field is needed."

Read = Callable[[], tuple[int, Mapping[str, Any]]]

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


class TextField(StringField):
    """A line of text by the rules of the API: trimmed, NFC, without control characters, not empty unless ``blank``."""

    data: Any

    def __init__(self, label: str, *, longest: int, blank: bool = False, **kwargs: Any) -> None:
        rules = [] if blank else [InputRequired(_NEEDED)]
        super().__init__(label, validators=[*rules, Length(max=longest)], **kwargs)
        self._rule = fields.Text(longest=longest, blank=blank)

    def pre_validate(self, form: Any) -> None:
        """Raise for what breaks a rule; the value is as the API would take it."""
        if self.flags.required and not (self.data or "").strip():
            raise StopValidation(_NEEDED)
        try:
            self.data = self._rule.deserialize(self.data or "")
        except marshmallow.ValidationError as error:
            raise StopValidation(" ".join(str(message) for message in error.messages)) from error


class ChecksField(SelectMultipleField):
    """Several of some choices, each a box to tick."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class VersionField(HiddenField):
    """The version of the record that a form was filled with."""

    data: int

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take a whole number and nothing else."""
        text = valuelist[0] if valuelist else ""
        self.data = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
        if self.data < 0:
            raise ValueError("The form does not say what it was filled with; reload the page.")


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that somebody else has changed while it was edited here."""

    name: str
    label: str
    theirs: str
    yours: str


class EditForm(Form):
    """A form that changes a record which others may be changing, too: nobody's change is lost unseen."""

    version = VersionField()

    def __init__(self, read: Read, **kwargs: Any) -> None:
        """``read`` gives the record's version and the values of its fields, as they are now."""
        self._read = read
        self._is_stale = False
        self.differences: list[Difference] = []
        version, stored = read()
        super().__init__(data={**stored, "version": version}, **kwargs)

    def saves(self, work: Callable[[int], Any], *, also: tuple[type[Refusal], ...] = ()) -> bool:
        """Like ``does``, for work on a version of the record.

        Where the record has changed since the form was filled, ``differences`` shows both values of each field, and
        the next try is based on the version that they were compared with; ``keep-<field>`` then says whose to keep.
        """
        self._take_theirs()
        saved = self.does(lambda: work(self.version.data), also=(*also, StaleVersion))
        if self._is_stale:
            self._compare()
        return saved

    def status(self) -> int:
        """412 where the record has changed meanwhile, else as every form."""
        return 412 if self._is_stale else super().status()

    def _take_theirs(self) -> None:
        kept = {name.removeprefix(_KEEP): whose for name, whose in request.form.items() if name.startswith(_KEEP)}
        taken = [name for name, whose in kept.items() if whose == "theirs"]
        stored = self._read()[1] if taken else {}
        for name in taken:
            if name in stored and name in self._fields:
                self._fields[name].data = stored[name]

    def _compare(self) -> None:
        self.version.data, stored = self._read()
        for name, theirs in stored.items():
            field = self._fields.get(name)
            if field is not None and _plain(field.data) != _plain(theirs):
                self.differences.append(Difference(name, field.label.text, _shown(theirs), _shown(field.data)))
        if not self.differences:
            self.form_errors.append("Somebody changed this while you were editing. Nothing is saved yet: save again.")

    def _show(self, refusal: Refusal) -> None:
        self._is_stale = isinstance(refusal, StaleVersion)
        if not self._is_stale:
            super()._show(refusal)


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, list | tuple | set) else value or None


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list | tuple | set):
        value = ", ".join(sorted(value))
    return str(value) if value not in {None, ""} else "–"
