"""How Stripe's library reaches Stripe: by our own gate, to the configured address only, all within one deadline.

The library's own transport follows redirects, obeys proxies and credentials of the environment, and has a timeout that
begins anew with every byte.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import stripe
from stripe import _util

from app.core.errors import AddressRefused, NotReachable
from app.core.hosts import address_of
from app.core.outgoing import fetch
from app.orders.providers.port import ProviderRefused, ProviderUnreachable

_LARGEST: Final = 4 * 1024 * 1024
"""Bytes of an answer: a hundred refunds with all that Stripe says of each are a tenth of it."""
_NOT_TOLD: Final = frozenset({"fraudulent", "lost_card", "merchant_blacklist", "stolen_card"})

log = logging.getLogger(__name__)

stripe.enable_telemetry = False
# At INFO and DEBUG it writes what is sent and what is answered, client secrets among it; with STRIPE_LOG past our logs.
logging.getLogger("stripe").setLevel(logging.WARNING)
_util.STRIPE_LOG = None


class Unanswered(stripe.APIConnectionError):
    """There was no whole answer; what was asked may or may not have been done."""

    def __init__(self, message: str) -> None:
        super().__init__(message)  # type: ignore[no-untyped-call]  # as the library publishes it


class Transport(stripe.HTTPClient):
    """Sends the requests of one call of a provider, which together have ``deadline_s`` seconds."""

    name = "cartwright"

    def __init__(self, url: str, deadline_s: float) -> None:
        super().__init__()
        _, host, port = address_of(url)
        self._base = f"{url}/"
        self._private = frozenset({(host, port)})  # the operator's word, whatever network it is in
        self._ends_at = time.monotonic() + deadline_s

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Send one request, with the key in its headers; raises Unanswered where there is no whole answer."""
        left_s = self._ends_at - time.monotonic()
        if not url.startswith(self._base):
            raise Unanswered("This is not Stripe's address.")
        if left_s <= 0:
            raise Unanswered("There is no time left.")
        try:
            answer = fetch(
                method.upper(),
                url,
                private=self._private,
                deadline_s=left_s,
                largest=_LARGEST,
                headers=headers,
                body=post_data.encode() if post_data is not None else None,
            )
            return answer.body.decode(), answer.status, answer.headers
        except (NotReachable, AddressRefused) as error:
            raise Unanswered(error.detail) from None
        except UnicodeDecodeError:
            raise Unanswered("The answer is no text.") from None


@contextmanager
def asking() -> Iterator[None]:
    """Say what goes wrong in the words of the port; the library's own errors hold whole answers, secrets among them."""
    try:
        yield
    except stripe.InvalidRequestError as error:
        raise ProviderRefused((error.code or "invalid_request")[:64], str(error.user_message)) from None
    except stripe.CardError as error:
        raise ProviderRefused(decline_code(error), str(error.user_message)) from None
    except stripe.StripeError as error:
        if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
            log.warning("Stripe does not accept STRIPE_SECRET_KEY, or not for this: %s", error.http_status)
        raise ProviderUnreachable(f"{type(error).__name__}, status {error.http_status}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProviderUnreachable(f"The answer is not as Stripe's are: {type(error).__name__}") from None


def decline_code(error: stripe.CardError) -> str:
    """Why a card was declined, in the bank's word where there is one."""
    said = error.error
    return told((said and (said.decline_code or said.code)) or error.code or "card_declined")


def told(code: object) -> str:
    """What customers are told of a decline: nothing of what only thieves want to know.

    That a card was reported, or is thought to be a thief's, Stripe wants nobody to say who tries it
    (https://docs.stripe.com/declines/codes); its dashboard tells staff.
    """
    return "generic_decline" if code in _NOT_TOLD else str(code)[:64]
