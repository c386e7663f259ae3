"""The API of one's own sessions."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.auth.queries import credentials as queries
from app.auth.schemas.sessions import EndedSchema, OwnSessionPage
from app.auth.services import sessions
from app.core.api import ApiBlueprint, current_principal
from app.core.fields import PageArguments
from app.core.orm import utc_now

blp = ApiBlueprint("sessions", __name__, description="One's own sessions: where one is logged in")

_BY_USER = "ended by its user"


@blp.route("/me/sessions")
class Sessions(MethodView):
    """Where one is logged in."""

    @blp.personal(complete=True)
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, OwnSessionPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List one's own open sessions, the latest login first."""
        actor = current_principal()
        found = queries.list_sessions(actor.require_person(), now=utc_now(), **page)
        for row in found.items:
            vars(row)["is_current"] = row.id == actor.session_id
        return found

    @blp.unversioned
    @blp.personal(complete=True)
    @blp.answers(200, EndedSchema)
    def delete(self) -> Any:
        """End all of one's sessions but this one."""
        actor = current_principal()
        count = sessions.end_sessions(
            actor=actor, user_id=actor.require_person(), now=utc_now(), reason=_BY_USER, but=actor.session_id
        )
        return {"count": count}


@blp.route("/me/sessions/<int:session_id>")
class Session(MethodView):
    """One of one's own logins."""

    @blp.unversioned
    @blp.personal(complete=True)
    @blp.answers(204)
    def delete(self, session_id: int) -> None:
        """End one of one's own sessions; it may be this one."""
        actor = current_principal()
        sessions.end_session(
            actor=actor, user_id=actor.require_person(), session_id=session_id, now=utc_now(), reason=_BY_USER
        )
