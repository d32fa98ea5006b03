"""How many members, and who, checked in during spans of time, had ever come, or had never.

All from bitmaps, those of member_sets and joined_sets (docs/rollups.md): one of each hour, day,
month and year of UTC. A span is cut into the longest of these; what is left over at its ends, less
than an hour, is read from the rows of tokens. Members with a change that no fold has moved yet are
left out of all bitmaps, and asked for one by one. While these are very many, all is read from the
tokens.
"""

from __future__ import annotations

from datetime import datetime, time
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from coworking import prepared
from coworking.migrations.parts import NONE, SET_BITS
from coworking.periods import EARLIEST
from coworking.pieces import ALWAYS, joined_pieces, pieces
from coworking.set_checks import CHANGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from coworking.pieces import Piece

MOST_CHANGED = 2_000  # members asked for one by one; of more, reading all tokens is faster
MANY_LISTED = 2_000  # of so many a page is found faster in the order of ids
BEGINNING = datetime.combine(EARLIEST, time())  # check-ins before are impossible
ACTIVE, UNFOLDED, JOINED = -1, -2, 1000  # parts beside those of check-ins, which count from 0


class Counts(NamedTuple):
    """Members of a span, of the days before its end, and of all time up to its end.

    Attributes:
        here: members who checked in during the span.
        lately, lately_active: those of the days before its end.
        ever, ever_active: those who had ever checked in by its end.
        never, never_active: those who had joined by its end, and had never checked in by then.
    """

    here: int
    lately: int
    lately_active: int
    ever: int
    ever_active: int
    never: int
    never_active: int


class Span(NamedTuple):
    """What to count: instants in UTC without a zone, since ≤ used_at < until, lately likewise."""

    since: datetime
    lately: datetime
    until: datetime


_CHANGED = f"WITH {CHANGED}"
_ARE_MANY = f"""
{_CHANGED} SELECT count(*) > {MOST_CHANGED} FROM (SELECT FROM changed LIMIT {MOST_CHANGED + 1}) few
"""  # noqa: S608 (constants)
_PIECE = """unnest(CAST(:{0}_parts AS int[]), CAST(:{0}_units AS text[]),
       CAST(:{0}_since AS timestamp[]), CAST(:{0}_until AS timestamp[]))
       AS piece(part, unit, since, until)"""
# LATERAL and OFFSET 0: a range of each piece is read by the index, however the planner guesses.
_STORED = """
SELECT part, chunk, members FROM {pieces} CROSS JOIN LATERAL (
    SELECT chunk, members FROM public.{table} stored
    WHERE stored.unit = piece.unit AND start >= since AND start < until OFFSET 0
) stored"""
_ROWS = """
SELECT part, number / {bits}, set_bit({none}, number % {bits}, 1)
FROM {pieces} CROSS JOIN LATERAL (
    SELECT DISTINCT {member} AS user_id FROM public.{table}
    WHERE {moment} >= since AND {moment} < until OFFSET 0
) came CROSS JOIN LATERAL (
    SELECT number FROM public.member_numbers known WHERE known.user_id = came.user_id OFFSET 0
) known WHERE unit IS NULL"""
_SETS = """,
gathered AS (
    {came_sets} UNION ALL {came_rows} UNION ALL {joined_sets} UNION ALL {joined_rows}
    UNION ALL SELECT {active}, chunk, members FROM public.joined_sets WHERE unit = 'active'
    UNION ALL SELECT {changed}, number / {bits}, set_bit({none}, number % {bits}, 1)
        FROM changed JOIN public.member_numbers USING (user_id)
),
parts AS (SELECT part, chunk, bit_or(members) AS members FROM gathered GROUP BY 1, 2),
chunks AS (SELECT chunk, {columns} FROM parts GROUP BY chunk),
direct AS (
    SELECT changed.user_id, coalesce(is_active, false) AS active, {joined}, came.*
    FROM changed LEFT JOIN public.users ON users.id = changed.user_id
    CROSS JOIN LATERAL (
        SELECT {came} FROM public.tokens WHERE tokens.user_id = changed.user_id) came
)"""
_SIZES = """
SELECT ARRAY[{stored_counts}]::bigint[] AS stored,
       (SELECT ARRAY[{direct_counts}] FROM direct) AS direct
FROM chunks
"""
# Counted of a span: each is an intersection of sets; "~" is of those who are not in the set.
_FIGURES = (
    ("here",),
    ("lately",),
    ("lately", "active"),
    ("ever",),
    ("ever", "active"),
    ("joined", "~ever"),
    ("joined", "~ever", "active"),
)


def members(connection: Connection, spans: Sequence[Span]) -> list[Counts]:
    """Count the members of each span, exactly as of the transaction's snapshot."""
    spans = [Span(*(max(BEGINNING, each) for each in span)) for span in spans]
    if _are_many(connection):
        return _from_tokens(connection, spans)
    shape, parameters = _stretches(spans)
    types = {name: _type(name) for name in parameters}
    row = prepared.run(connection, _sizes(shape), parameters, types, sort=False).one()
    counts = [one + other for one, other in zip(row.stored, row.direct, strict=True)]
    size = len(_FIGURES)
    return [Counts(*counts[n * size : (n + 1) * size]) for n in range(len(spans))]


def _are_many(connection: Connection) -> bool:
    """Whether more members have changed than should be asked for one by one."""
    return bool(prepared.run(connection, _ARE_MANY, {}, {}).scalar_one())


class Edges(NamedTuple):
    """The numbers of a span's edges among those of all spans; `joined` is of its end."""

    since: int
    lately: int
    until: int
    joined: int


def _stretches(spans: Sequence[Span]) -> tuple[tuple[Edges, ...], dict[str, object]]:
    """Where the spans lie among their stretches, and the stretches as a statement's parameters.

    All their edges cut time into stretches, each of which is read once: part n is the members of
    the stretch n, and the set of any span is that of its stretches together.
    """
    came = _edges(BEGINNING, *(each for span in spans for each in span))
    joined = _edges(ALWAYS, *(span.until for span in spans))
    parameters = _parameters("came", [pieces(*each) for each in pairwise(came)], 0)
    parameters |= _parameters("joined", [joined_pieces(*each) for each in pairwise(joined)], JOINED)
    parameters |= {f"e{number}": edge for number, edge in enumerate(came)}
    shape = tuple(
        Edges(
            since=came.index(span.since),
            lately=came.index(span.lately),
            until=came.index(span.until),
            joined=joined.index(span.until),
        )
        for span in spans
    )
    return shape, parameters


@lru_cache(maxsize=100)
def _sets(shape: Sequence[Edges]) -> str:
    """The sets of the spans as the first part of a statement; its parameters are `_stretches`'s.

    It ends with `chunks`, a row for each chunk and in it a bitmap for each name in _FIGURES, and
    with `direct`, a row for each changed member and in it whether they are in the set.
    """
    columns = {"active": f"part = {ACTIVE}"}
    came_there, joined_there = [], []
    for number, edges in enumerate(shape):
        until = edges.until
        for name, since in (("here", edges.since), ("lately", edges.lately), ("ever", 0)):
            columns[f"{name}{number}"] = f"part >= {since} AND part < {until}"
            within = f"used_at >= :e{since} AND used_at < :e{until}"
            came_there.append(f"coalesce(bool_or({within}), false) AS {name}{number}")
        columns[f"joined{number}"] = f"part >= {JOINED} AND part < {JOINED + edges.joined}"
        joined_there.append(f"coalesce(joined_at < :e{until}, false) AS joined{number}")
    return (_CHANGED + _SETS).format(
        active=ACTIVE,
        changed=UNFOLDED,
        bits=SET_BITS,
        none=NONE,
        columns=", ".join(_column(name, where) for name, where in columns.items()),
        came=", ".join(came_there),
        joined=", ".join(joined_there),
        **_sources(),
    )


@lru_cache(maxsize=100)
def _sizes(shape: Sequence[Edges]) -> str:
    """The statement that counts the members of the spans."""
    return _sets(shape) + _SIZES.format(**_counts(len(shape)))


# --- who they are ---------------------------------------------------------------------------------

# Few members are taken out of the bitmaps and sorted. Of many a page finds enough soon, if all are
# asked in the order of their ids. Each branch has a condition that is known before it is begun.
_PAGE = """,
chosen AS MATERIALIZED (
    SELECT chunk, {bitmap} AS members FROM chunks WHERE {bitmap} <> {none}
),
known AS (
    SELECT coalesce(sum(bit_count(members)), 0) > {many} AS are_many, max(chunk) AS last
    FROM chosen
),
listed AS (
    SELECT array_agg(coalesce(members, {none}) ORDER BY chunk) AS bitmaps
    FROM generate_series(0, (SELECT last FROM known)) chunk LEFT JOIN chosen USING (chunk)
),
page AS (
    SELECT user_id FROM (
        SELECT number FROM chosen CROSS JOIN LATERAL (
            SELECT chunk * {bits} + bit AS number FROM generate_series(0, {bits} - 1) bit
            WHERE get_bit(members, bit) = 1 OFFSET 0
        ) bits WHERE NOT (SELECT are_many FROM known)
    ) numbers CROSS JOIN LATERAL (
        SELECT user_id FROM public.member_numbers few WHERE few.number = numbers.number OFFSET 0
    ) few WHERE user_id > :after
    UNION ALL (
        SELECT user_id FROM public.member_numbers
        WHERE (SELECT are_many FROM known) AND user_id > :after
          AND number < {bits} * ((SELECT last FROM known) + 1)
          AND get_bit((SELECT bitmaps FROM listed)[number / {bits} + 1], number % {bits}) = 1
        ORDER BY user_id LIMIT :most)
    UNION ALL SELECT user_id FROM direct WHERE {condition} AND user_id > :after
    ORDER BY user_id LIMIT :most
)"""


def page_of(
    connection: Connection, span: Span, figure: Sequence[str]
) -> tuple[str, dict[str, object]] | None:
    """The first part of a statement whose `page` has ids of members, and its parameters.

    It takes two more: `page` begins after the id :after, and has :most rows.

    Args:
        connection: to the database.
        span: what the names in `figure` are of.
        figure: the sets that the members are in, as in _FIGURES.

    Returns:
        None while so many members have changed that reading all tokens is faster.
    """
    if _are_many(connection):
        return None
    shape, parameters = _stretches([Span(*(max(BEGINNING, each) for each in span))])
    names = [_numbered(name, 0) for name in figure]
    page = _PAGE.format(
        bitmap=" & ".join(names),
        condition=" AND ".join(names).replace("~", "NOT "),
        bits=SET_BITS,
        none=NONE,
        many=MANY_LISTED,
    )
    return _sets(shape) + page, parameters


def _numbered(name: str, number: int) -> str:
    """The column of a set of _FIGURES for a span."""
    return name if name == "active" else f"{name}{number}"


# --- the statement --------------------------------------------------------------------------------


def _edges(*moments: datetime) -> list[datetime]:
    return sorted(set(moments))


def _parameters(
    name: str, stretches: Iterable[Sequence[Piece]], first_part: int
) -> dict[str, object]:
    """The pieces of each stretch, as arrays; its part is its number."""
    found = [
        (first_part + number, piece)
        for number, stretch in enumerate(stretches)
        for piece in stretch
    ]
    return {
        f"{name}_parts": [part for part, _ in found],
        f"{name}_units": [piece.unit for _, piece in found],
        f"{name}_since": [_timestamp(piece.since) for _, piece in found],
        f"{name}_until": [_timestamp(piece.until) for _, piece in found],
    }


def _type(parameter: str) -> str:
    """The SQL type of a parameter: an array of the pieces, or an edge."""
    return {"parts": "int[]", "units": "text[]"}.get(
        parameter.rpartition("_")[2], "timestamp[]" if "_" in parameter else "timestamp"
    )


def _timestamp(moment: datetime) -> str:
    return "-infinity" if moment == ALWAYS else moment.isoformat()


def _column(name: str, where: str) -> str:
    there = f"coalesce(bit_or(members) FILTER (WHERE {where}), {NONE})"
    changed = f"bit_or(members) FILTER (WHERE part = {UNFOLDED})"  # NULL while nobody has
    return f"coalesce({there} & ~ {changed}, {there}) AS {name}"


def _counts(spans: int) -> dict[str, str]:
    """The figures as sizes of bitmaps, and as numbers of rows of members."""
    figures = [
        [_numbered(name, number) for name in figure]
        for number in range(spans)
        for figure in _FIGURES
    ]
    sizes = (f"coalesce(sum(bit_count({' & '.join(each)})), 0)" for each in figures)
    rows = (f"count(*) FILTER (WHERE {' AND '.join(each)})" for each in figures)
    return {
        "stored_counts": ", ".join(sizes),
        "direct_counts": ", ".join(rows).replace("~", "NOT "),
    }


def _sources() -> dict[str, str]:
    tables = {"came": "member_sets", "joined": "joined_sets"}
    rows = {
        "came": {"table": "tokens", "moment": "used_at", "member": "user_id"},
        "joined": {"table": "users", "moment": "joined_at", "member": "id"},
    }
    found = {}
    for name, table in tables.items():
        listed = _PIECE.format(name)
        found[f"{name}_sets"] = _STORED.format(pieces=listed, table=table)
        found[f"{name}_rows"] = _ROWS.format(pieces=listed, bits=SET_BITS, none=NONE, **rows[name])
    return found


# --- from the tokens ------------------------------------------------------------------------------

_TOKENS = """
SELECT count(*), count(*) FILTER (WHERE is_active) FROM (
    SELECT user_id FROM public.tokens WHERE used_at >= :since AND used_at < :until
    GROUP BY user_id
) AS came LEFT JOIN public.users ON users.id = user_id
"""
# An impossible check-in, at -infinity for instance, does not count as having come.
_EVER = text("""
SELECT count(*) FILTER (WHERE first < :until),
       count(*) FILTER (WHERE first < :until AND is_active),
       count(*) FILTER (WHERE joined_at < :until AND (first >= :until) IS NOT FALSE),
       count(*) FILTER (WHERE joined_at < :until AND (first >= :until) IS NOT FALSE AND is_active)
FROM (
    SELECT user_id, CASE WHEN first_check_in >= :beginning THEN first_check_in
                         WHEN first_check_in IS NOT NULL THEN
                         (SELECT min(used_at) FROM public.tokens t
                          WHERE t.user_id = visits.user_id AND used_at >= :beginning) END AS first
    FROM public.exact_user_visits visits
) AS visits FULL JOIN public.users ON users.id = user_id
""")


def _from_tokens(connection: Connection, spans: Sequence[Span]) -> list[Counts]:
    """The same figures by the plain queries, for the half minute after a very large change."""
    found = []
    for span in spans:
        here, lately = (
            connection.execute(text(_TOKENS), {"since": since, "until": span.until}).one()
            for since in (span.since, span.lately)
        )
        ever = connection.execute(_EVER, {"until": span.until, "beginning": BEGINNING}).one()
        found.append(Counts(here[0], *lately, *ever))
    return found
