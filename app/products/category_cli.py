"""``flask category``: the category tree from the command line."""

from __future__ import annotations

from typing import Final

import click

from app.core.commands import CommandGroup
from app.core.orm import utc_now
from app.core.permissions import system
from app.products.services.membership_audit import TreeHasLoops, Wrong, audit_memberships

SHOWN: Final = 20

group = CommandGroup("category", help="The category tree.")


@group.command("audit")
@click.option("--repair", is_flag=True, help="Make the rows anew where they are wrong.")
def audit(*, repair: bool) -> None:
    """Prove that every product is found in just its categories and those above them.

    Ends with 1 if something is wrong and was not repaired. May run beside everything else, and again.
    """
    seen = wrong = 0
    try:
        for count, found in audit_memberships(actor=system(), now=utc_now(), repair=repair):
            for finding in found[: max(0, SHOWN - wrong)]:
                click.echo(_sentence(finding), err=True)
            seen, wrong = seen + count, wrong + len(found)
    except TreeHasLoops as refusal:
        raise click.ClickException(refusal.detail) from refusal
    click.echo(f"{seen} products, {wrong} wrong{', all repaired' if wrong and repair else ''}")
    if wrong and not repair:
        raise click.exceptions.Exit(1)


def _sentence(finding: Wrong) -> str:
    parts = {
        "names categories that do not exist": finding.unknown,
        "is not found in": finding.missing,
        "is found, in the wrong way, in": finding.surplus,
    }
    told = [f"{what} {', '.join(map(str, ids))}" for what, ids in parts.items() if ids]
    return f"product {finding.product_id} {'; '.join(told) or 'has its categories out of order'}"
