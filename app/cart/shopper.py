"""Who shops: somebody with an account, or a guest who holds the token of a cart."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.permissions import Principal


@dataclass(frozen=True, slots=True)
class Shopper:
    """For whom carts and orders are opened; ``app/cart/api/shopper.py`` finds them."""

    principal: Principal
    """The user, or a guest whose id is that of the cart."""
    user_id: int | None
    """The person who is logged in."""
    cart_token_hash: str | None
    """SHA-256 of the guest's token that came with the request, also of somebody who is logged in."""
    guest_cart_id: int | None = None
    """The cart that the token opens, so long as its contents did not go into another: its order is theirs as well."""

    def owns(self, *, user_id: int | None, token_hash: str | None) -> bool:
        """Whether a cart of this person, or with this token, is theirs."""
        if user_id is not None:
            return user_id == self.user_id
        return token_hash is not None and token_hash == self.cart_token_hash
