"""The category tree with plain values: what is above and below what, and in which order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """One category, as far as the tree is concerned."""

    id: int
    parent_id: int | None
    name: str
    position: int


class Tree:
    """All categories, which a transaction has read that keeps others from changing them."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._nodes = {node.id: node for node in nodes}
        self._children: dict[int | None, list[Node]] = defaultdict(list)
        for node in sorted(self._nodes.values(), key=lambda node: (node.position, node.id)):
            self._children[node.parent_id].append(node)

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[int]:
        return iter(self._nodes)

    def __contains__(self, category_id: int) -> bool:
        return category_id in self._nodes

    def children(self, category_id: int | None) -> list[Node]:
        """What is directly below a category in its order; of None: what is at the top."""
        return list(self._children[category_id]) if category_id in self._children else []

    def path(self, category_id: int | None) -> list[int]:
        """A category and all above it, from itself upwards; of None: nothing."""
        found: list[int] = []
        while category_id is not None and category_id not in found:
            found.append(category_id)
            category_id = self._nodes[category_id].parent_id
        return found

    def levels(self, category_id: int) -> list[list[int]]:
        """A category, the level below it, the one below that, and so on; ids ascending in each."""
        found = [[category_id]]
        seen = {category_id}
        while True:
            below = sorted(child.id for id_ in found[-1] for child in self.children(id_) if child.id not in seen)
            if not below:
                return found
            seen.update(below)
            found.append(below)

    def loops(self) -> list[int]:
        """Categories from which no way leads up to the top, ascending: there must be none."""
        reached = {id_ for top in self.children(None) for level in self.levels(top.id) for id_ in level}
        return sorted(self._nodes.keys() - reached)
