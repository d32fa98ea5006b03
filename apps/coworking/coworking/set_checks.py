"""Compares the sets of members with the tokens and the users: queries for checks.py and `verify`.

Each query yields (unit, start, expected, got) of every row of member_sets or joined_sets that is
wrong, where the last two are bitmaps. Members with a change that no fold has moved yet are left out
of both sides: reports ask the tokens for them. So all is of one snapshot, and locks nothing.
"""

from __future__ import annotations

from sqlalchemy import TextClause, text

from coworking.migrations.parts import BIT_OR_NUMBERS, JOINERS, KEPT, NONE, SET_BITS

# Users and tokens come first in each query: TRUNCATE locks them, in this order, before any rollup.
FIRST = "nobody AS (SELECT FROM public.users, public.tokens WHERE false)"
# The members with an unfolded change.
CHANGED = f"""{FIRST}, changed AS MATERIALIZED (
    SELECT user_id::bigint AS user_id FROM public.token_deltas
    UNION SELECT user_id FROM public.user_deltas
    UNION SELECT user_id FROM public.member_changes
)"""  # noqa: S608 (constants)
_MASKS = f"""masks AS (
    SELECT number / {SET_BITS} AS chunk, {BIT_OR_NUMBERS} AS mask
    FROM changed JOIN public.member_numbers USING (user_id) GROUP BY 1
)"""  # noqa: S608 (constants)
_DIFFERING = f"""
    SELECT unit, start, coalesce(t.members, {NONE}) AS expected, coalesce(g.members, {NONE}) AS got
    FROM truth t FULL JOIN got g USING (unit, start, chunk)
    WHERE coalesce(t.members, {NONE}) <> coalesce(g.members, {NONE})"""  # noqa: S608 (constants)

# The hours of check-ins between two moments, each rounded down to an hour; a member without a
# number would be missing in all sets.
HOURS = f"""
    WITH {CHANGED}, {_MASKS}, edges AS (
        SELECT date_trunc('hour', CAST({{after}} AS timestamp)) AS first,
               date_trunc('hour', CAST({{until}} AS timestamp)) AS last
    ), truth AS (
        SELECT 'hour' AS unit, date_trunc('hour', used_at) AS start, number / {SET_BITS} AS chunk,
               coalesce({BIT_OR_NUMBERS}, ~ {NONE}) AS members
        FROM edges JOIN public.tokens ON used_at >= first AND (used_at < last OR last IS NULL)
        LEFT JOIN public.member_numbers USING (user_id)
        WHERE {KEPT} AND user_id NOT IN (SELECT user_id FROM changed) GROUP BY 2, 3
    ), got AS (
        SELECT unit, start, chunk, members & ~ coalesce(mask, {NONE}) AS members
        FROM edges JOIN public.member_sets ON start >= first AND (start < last OR last IS NULL)
        LEFT JOIN masks USING (chunk) WHERE unit = 'hour'
    ) {_DIFFERING}"""  # noqa: S608 (constants)

# Days, months and years, by the hours: no token is read. The fold may have kept a day's bit for a
# check-in that is still a delta, and so has no hour yet.
LONGER = f"""
    WITH {CHANGED}, {_MASKS}, known AS (
        SELECT unit, start, chunk, members & ~ coalesce(mask, {NONE}) AS members
        FROM public.member_sets LEFT JOIN masks USING (chunk)
    ), truth AS (
        SELECT longer AS unit, date_trunc(longer, start) AS start, chunk,
               bit_or(members) AS members
        FROM known
        JOIN (VALUES ('hour', 'day'), ('day', 'month'), ('month', 'year')) steps (unit, longer)
            USING (unit) GROUP BY 1, 2, 3
    ), got AS (
        SELECT unit, start, chunk, members FROM known WHERE unit <> 'hour'
    ) {_DIFFERING}"""  # noqa: S608 (constants)

JOINED = f"""
    WITH {CHANGED}, {_MASKS}, joined AS (
        SELECT number, joined_at, is_active
        FROM public.users LEFT JOIN public.member_numbers ON user_id = users.id
        WHERE users.id NOT IN (SELECT user_id FROM changed)
    ), truth AS (
        SELECT unit, start, chunk, coalesce(members, ~ {NONE}) AS members
        FROM ({JOINERS} GROUP BY 1, 2, 3) joiners
    ), got AS (
        SELECT unit, start, chunk, members & ~ coalesce(mask, {NONE}) AS members
        FROM public.joined_sets LEFT JOIN masks USING (chunk)
    ) {_DIFFERING}"""  # noqa: S608 (constants)

ALL = {
    "member_sets of hours": HOURS.format(after="'-infinity'", until="NULL"),
    "member_sets": LONGER,
    "joined_sets": JOINED,
}


def counting(query: str) -> TextClause:
    """How many sets differ; the parameters are the query's own."""
    return text(f"SELECT count(*) FROM ({query}) differing")  # noqa: S608 (a constant of above)


def listing(query: str) -> TextClause:
    """The first :limit units that differ, in words, and in each row how many there are."""
    return text(f"""
        SELECT unit || ' ' || start AS key, count(*) OVER () AS total,
               sum(bit_count(expected)) || ' members' AS expected,
               sum(bit_count(got)) || ' members, ' || sum(bit_count(expected # got))
               || ' of them wrong or missing' AS got
        FROM ({query}) differing GROUP BY unit, start ORDER BY unit, start LIMIT :limit
    """)  # noqa: S608 (a constant of above)
