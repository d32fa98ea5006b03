"""The two reports of the older service, as the bytes it sent; PostgreSQL writes the JSON.

Their rules are the older service's, quirks included, and stay as they are: daily_usage counts used
tokens by the date of `created_at`; user_visits counts every token, and says "None" where a token's
user does not exist. PostgreSQL's infinities are the last and the first date that Python has, as
its driver reads them. No blanks, keys sorted, one newline at the end.
"""

from __future__ import annotations

import hashlib
import struct
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
RAW = -15  # deflate as gzip files have it, without a head of its own
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # no name, no time; the fastest method
ROWS_AT_ONCE = 1000  # about 56 kB of text; the next are read when these are packed


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A JSON text in shared pieces, so that any number of readers need no copy of a long one.

    Attributes:
        length: bytes of the text.
        plain: the text itself if it is one piece, else None.
        packed: the text as a gzip file (RFC 1952) in parts: its head, each piece, its end.
        etag: a digest of the text.
    """

    length: int
    plain: bytes | None
    packed: tuple[bytes, ...]
    etag: str

    @classmethod
    def of(cls, texts: Iterable[bytes]) -> JsonBody:
        """Pack the texts; only one of them is in memory unpacked at any time."""
        parts = [GZIP_HEAD]
        length = checksum = 0
        digest = hashlib.sha256()
        packer = zlib.compressobj(1, zlib.DEFLATED, RAW)
        piece = b""
        for piece in texts:
            length += len(piece)
            checksum = zlib.crc32(piece, checksum)
            digest.update(piece)
            # After a full flush a piece can be unpacked without those before it.
            parts.append(packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH))
        plain = piece if len(parts) == 2 else None
        parts.append(packer.flush() + struct.pack("<II", checksum, length & 0xFFFFFFFF))
        return cls(length, plain, tuple(parts), digest.hexdigest()[:32])

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes."""
        return len(self.plain or b"") + self.packed_length

    @property
    def packed_length(self) -> int:
        """Bytes of the gzip file."""
        return sum(map(len, self.packed))

    def parts(self) -> Iterable[bytes]:
        """The text, piece by piece, each unpacked when it is asked for."""
        if self.plain is not None:
            return (self.plain,)
        return (zlib.decompressobj(RAW).decompress(piece) for piece in self.packed[1:-1])


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
