"""Why staff should look at an order: the closed list, with what to do about it."""

from __future__ import annotations

from typing import Final

UNFULFILLABLE: Final = "CAPTURED_UNFULFILLABLE"
REFUND_FAILED: Final = "REFUND_FAILED"
PAYMENT_MISMATCH: Final = "PAYMENT_MISMATCH"
STOCK_TAKEN: Final = "STOCK_TAKEN"

REASONS: Final[dict[str, str]] = {
    UNFULFILLABLE: "It was paid when its stock was gone; the money is being given back",
    REFUND_FAILED: "The provider refused to give money back: try again, or pay it back another way and record that",
    PAYMENT_MISMATCH: "The provider took, or gave back, another amount than was asked for: compare it and put it right",
    STOCK_TAKEN: "A count found less stock than was promised to it: cancel what is missing or wait for more",
}
