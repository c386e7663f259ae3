"""Why staff should look at an order: the closed list, with what to do about it."""

from __future__ import annotations

from typing import Final

UNFULFILLABLE: Final = "CAPTURED_UNFULFILLABLE"
REFUND_FAILED: Final = "REFUND_FAILED"
PAYMENT_MISMATCH: Final = "PAYMENT_MISMATCH"
STOCK_TAKEN: Final = "STOCK_TAKEN"
DISPUTED: Final = "DISPUTED"
DISPUTE_LOST: Final = "DISPUTE_LOST"

REASONS: Final[dict[str, str]] = {
    UNFULFILLABLE: "It was paid when its stock was gone; the money is being given back",
    REFUND_FAILED: "The provider refused to give money back: try again, or pay it back another way and record that",
    PAYMENT_MISMATCH: "The provider took, or gave back, another amount than was asked for: compare it and put it right",
    STOCK_TAKEN: "A count found less stock than was promised to it: cancel what is missing or wait for more",
    DISPUTED: "Its customer disputes the payment with their bank: answer at the provider before its deadline",
    DISPUTE_LOST: "A dispute was lost, and the provider has taken that money: nothing of it is booked here",
}
