"""Values kept in memory, bounded in bytes and in number: the least recently used goes first.

kept: Kept[str, Body] = Kept(most_bytes=24_000_000)
kept.put("overview", body, body.nbytes)
kept.get("overview")
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

# A small body costs more in Python's own objects than in bytes; without a bound on their number
# 24 MB of bodies were 32,000 entries.
MOST_ENTRIES = 1_000

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """A mapping within its bounds. Each call takes the same time, however much is kept.

    Args:
        most_bytes: the bound on the sizes of all values together.
        most_entries: the bound on their number.
    """

    def __init__(self, *, most_bytes: int, most_entries: int = MOST_ENTRIES) -> None:
        self.nbytes = 0
        self._most_bytes = most_bytes
        self._most_entries = most_entries
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._changing = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value, which is now the most recently used; None when there is none."""
        with self._changing:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep a value of `size` bytes in place of the key's earlier one.

        A value that is larger than the bound is not kept, and drives nothing else out.
        """
        with self._changing:
            _, before = self._entries.pop(key, (None, 0))
            self.nbytes -= before
            if size > self._most_bytes:
                return
            self._entries[key] = (value, size)
            self.nbytes += size
            while self.nbytes > self._most_bytes or len(self._entries) > self._most_entries:
                _, (_, dropped) = self._entries.popitem(last=False)
                self.nbytes -= dropped
