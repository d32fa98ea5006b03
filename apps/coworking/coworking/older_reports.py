"""The two reports of the older service, as the bytes it sent; PostgreSQL writes the JSON.

Their rules are the older service's, quirks included, and stay as they are: daily_usage counts used
tokens by the date of `created_at`; user_visits counts every token, and says "None" where a token's
user does not exist. PostgreSQL's infinities are the last and the first date that Python has, as
its driver reads them. No blanks, keys sorted, one newline at the end.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection

# A `day` as Python's str() of it; PostgreSQL has no text for an infinite one.
DAY = """CASE day WHEN 'infinity' THEN '9999-12-31' WHEN '-infinity' THEN '0001-01-01'
             ELSE to_char(day, 'YYYY-MM-DD') END"""

# Dates sort as text, as the older service's dictionary keys did.
DAILY_USAGE = text(
    """
    SELECT '{' || coalesce(string_agg(pair, ',' ORDER BY pair COLLATE "C"), '') || E'}\\n'
    FROM (SELECT '"' || $day || '":' || sum(visits) AS pair
          FROM public.exact_daily_visits GROUP BY $day) AS pairs
""".replace("$day", DAY)
)

# `joined_at` is Python's str() of a timestamp: a fraction only where there is one, of six digits.
USER_VISITS = text("""
    SELECT '"' || v.user_id || '":{"joined_at":"' || CASE
             WHEN u.joined_at IS NULL THEN 'None'
             WHEN u.joined_at = 'infinity' THEN '9999-12-31 23:59:59.999999'
             WHEN u.joined_at = '-infinity' THEN '0001-01-01 00:00:00'
             WHEN u.joined_at = date_trunc('second', u.joined_at)
               THEN to_char(u.joined_at, 'YYYY-MM-DD HH24:MI:SS')
             ELSE to_char(u.joined_at, 'YYYY-MM-DD HH24:MI:SS.US')
           END || '","visits":' || v.visits || '}'
    FROM public.exact_user_visits v LEFT JOIN public.users u ON u.id = v.user_id
    ORDER BY v.user_id
""")
ROWS_AT_ONCE = 1000  # about 56 kB of text; the next are read when these are packed


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A JSON text in shared pieces, so that any number of readers need no copy of a long one.

    Attributes:
        length: bytes of the text.
        pieces: the text; deflated each by itself if there is more than one.
        nbytes: bytes of memory that the pieces take.
    """

    length: int
    pieces: tuple[bytes, ...]
    nbytes: int

    @classmethod
    def of(cls, texts: Iterable[bytes]) -> JsonBody:
        """Pack the texts; only one of them is in memory unpacked at any time."""
        pieces: list[bytes] = []
        length = 0
        for piece in texts:
            length += len(piece)
            pieces.append(zlib.compress(piece, 1))
        if len(pieces) == 1:
            pieces = [zlib.decompress(pieces[0])]
        return cls(length, tuple(pieces), sum(map(len, pieces)))

    @property
    def whole(self) -> bool:
        """Whether the text is its one piece."""
        return len(self.pieces) == 1

    def parts(self) -> Iterable[bytes]:
        """The text, piece by piece, each unpacked when it is asked for."""
        return self.pieces if self.whole else map(zlib.decompress, self.pieces)


def daily_usage(connection: Connection) -> JsonBody:
    """`{"YYYY-MM-DD": visits}`: used tokens by the date on which they were issued."""
    return JsonBody.of([connection.execute(DAILY_USAGE).scalar_one().encode()])


def user_visits(connection: Connection) -> JsonBody:
    """`{"user id": {"joined_at": "...", "visits": n}}`: every token of each user."""
    return JsonBody.of(_user_visits(connection))


def _user_visits(connection: Connection) -> Iterator[bytes]:
    stream = connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
    opening = b"{"
    with stream.execute(USER_VISITS) as rows:
        for part in rows.scalars().partitions(ROWS_AT_ONCE):
            yield opening + ",".join(part).encode()
            opening = b","
    yield b"}\n" if opening == b"," else b"{}\n"
