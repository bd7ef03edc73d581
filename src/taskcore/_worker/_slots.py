"""``Slots``: how many tasks may run at once in a worker that has plain and async ones."""

from __future__ import annotations

__all__ = ["Slots"]


class Slots:
    """Counted only when ``is_shared``: else there are as many threads as slots, or the loop minds its own number."""

    def __init__(self, size: int, *, is_shared: bool) -> None:
        self._free: list[None] | None = [None] * size if is_shared else None

    def take(self) -> bool:
        """Take a slot; return False when all are taken."""
        if self._free is None:
            return True
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def give_back(self) -> None:
        """Give back a slot."""
        if self._free is not None:
            self._free.append(None)

    @property
    def is_shared(self) -> bool:
        """Whether plain and async tasks take from the same slots, so that one may find none free."""
        return self._free is not None

    @property
    def has_free(self) -> bool:
        """Whether ``take`` would succeed."""
        return self._free is None or bool(self._free)
