"""What must be true of stock, orders and money, whatever happened: the whole database and the provider's books."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.faults.money_rules import MONEY_RULES, MONEY_RULES_AT_REST
from tests.faults.order_rules import ORDER_RULES, ORDER_RULES_AT_REST
from tests.faults.stock_rules import STOCK_RULES
from tests.faults.world import Books, World, read_world

Rule = Callable[[World], Iterator[str]]

ALWAYS: Final[Sequence[Rule]] = (*STOCK_RULES, *ORDER_RULES, *MONEY_RULES)
AT_REST: Final[Sequence[Rule]] = (*ORDER_RULES_AT_REST, *MONEY_RULES_AT_REST)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold, and where."""

    rule: str
    where: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}"


def violations(books: Books | None = None, *, at_rest: bool = True) -> list[Violation]:
    """Everything that is wrong, in one read of the whole database; needs an application context.

    ``books`` are the provider's, where there is one. ``at_rest`` adds what is true only once the sweeper, the outbox
    and the provider's notices have had their turn: between a charge and its recording money is on its way.
    """
    world = read_world(books or Books())
    rules = [*ALWAYS, *AT_REST] if at_rest else ALWAYS
    return [Violation(rule.__name__, where) for rule in rules for where in rule(world)]
