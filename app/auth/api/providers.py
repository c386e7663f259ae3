"""The API of OAuth providers: which there are, and for administrators all about them."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.auth.queries import providers as queries
from app.auth.schemas.providers import (
    DeleteProviderArguments,
    NewProviderSchema,
    OfferListSchema,
    ProviderChangeSchema,
    ProviderPage,
    ProviderSchema,
)
from app.auth.services import providers
from app.core.api import ApiBlueprint, current_principal, if_match, unless_known
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.core.running import settings

blp = ApiBlueprint("providers", __name__, description="OAuth providers that people may log in with")


@blp.route("/auth/providers")
class Offers(MethodView):
    """Ways to log in."""

    @blp.public
    @blp.answers(200, OfferListSchema)
    def get(self) -> Any:
        """List the OAuth providers that people may log in with, and where to send their browsers for it.

        Once the browser has a session, POST /api/v1/auth/token gives tokens for it.
        """
        begin = settings().public_url + "/login/with/"
        offers = queries.offered_providers()
        return {"items": [{"code": each.code, "name": each.name, "url": begin + each.code} for each in offers]}


@blp.route("/oauth-providers")
class Providers(MethodView):
    """All providers."""

    @blp.requires("providers:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, ProviderPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List OAuth providers, oldest first, also those that are switched off."""
        return queries.list_providers(**page)

    @blp.requires("providers:write", fresh=True)
    @blp.arguments(NewProviderSchema)
    @blp.answers(
        201,
        ProviderSchema,
        location=lambda row: url_for("providers.ProviderById", provider_id=row.id),
        etag=True,
    )
    @blp.alt_response(409, description="Another provider has this code, or there are 50")
    def post(self, sent: dict[str, Any]) -> Any:
        """Add an OAuth provider; whatever address it calls verified, its owner may log in with.

        As that may be an administrator, this needs every permission besides providers:write, and so does a change.
        """
        return providers.create_provider(
            actor=current_principal(), now=utc_now(), loopback=not settings().production, **sent
        )


@blp.route("/oauth-providers/<int:provider_id>")
class ProviderById(MethodView):
    """One provider."""

    @blp.requires("providers:read")
    @blp.answers(200, ProviderSchema, etag=True)
    @blp.alt_response(304, description="If-None-Match names the version it has", success=True)
    def get(self, provider_id: int) -> Any:
        """Get an OAuth provider."""
        return unless_known(queries.get_provider(provider_id))

    @blp.requires("providers:write", fresh=True)
    @blp.arguments(ProviderChangeSchema)
    @blp.answers(200, ProviderSchema, etag=True)
    @blp.alt_response(409, description="The issuer cannot change while people log in by it")
    @blp.alt_response(412, description="The provider has changed since")
    def put(self, sent: dict[str, Any], provider_id: int) -> Any:
        """Replace an OAuth provider's settings; If-Match names the version that the change is based on."""
        return providers.update_provider(
            actor=current_principal(),
            now=utc_now(),
            provider_id=provider_id,
            expected_version=if_match(),
            loopback=not settings().production,
            **sent,
        )

    @blp.requires("providers:write", fresh=True)
    @blp.arguments(DeleteProviderArguments, location="query")
    @blp.answers(204)
    @blp.alt_response(409, description="People log in by it; the answer says how many")
    @blp.alt_response(412, description="The provider has changed since")
    def delete(self, which: dict[str, Any], provider_id: int) -> None:
        """Delete an OAuth provider; refused while people log in by it, unless with_identities is true.

        Sessions that were started by it go on until they end; their users stay and may set a password by mail.
        """
        providers.delete_provider(
            actor=current_principal(), provider_id=provider_id, expected_version=if_match(), **which
        )
