"""The parts of SQL that triggers, fold and views have in common, and the files they stand in.

A source of changes is a relation of (user_id, created_at, used_at, n): n such tokens came, or went
if n is negative.
"""

from __future__ import annotations

from importlib import resources
from string import Template

INSERTED = "(select user_id, created_at, used_at, 1::bigint as n from added) changes"
DELETED = "(select user_id, created_at, used_at, (-1)::bigint as n from removed) changes"
# Rows of which no column here has changed cancel out.
UPDATED = """(
        select user_id, created_at, used_at, sum(n)::bigint as n from (
            select user_id, created_at, used_at, 1 as n from added
            union all
            select user_id, created_at, used_at, -1 from removed) both_sides
        group by user_id, created_at, used_at having sum(n) <> 0) changes"""

BY_USER = """select user_id, n as visits, case when n > 0 then used_at end as added,
                   case when n < 0 then used_at end as removed
            from {source}"""
BY_QUARTER = """select public.quarter_hour(created_at) as start, 0 as check_ins, n as issued,
                   case when used_at is null then n else 0 end as unused
            from {source}
            union all
            select public.quarter_hour(used_at), n, 0, 0 from {source} where used_at is not null"""
# While the earliest known moment is earlier than all that went, it is still there.
FIRST_CHECK_IN = """case when removed <= earliest
                then (select min(t.used_at) from public.tokens t where t.user_id = changed.user_id)
                else earliest end"""

# One plain insert is what a small statement can afford; eight rows more are nothing to a reader.
RECORD = """if exists (select from {rows} offset 8) then
        insert into public.user_deltas
        select user_id, sum(visits), min(added), min(removed) from (
            {by_user}) parts
        group by user_id having sum(visits) <> 0 or min(added) is not null
                             or min(removed) is not null;
        insert into public.quarter_deltas
        select start, sum(check_ins), sum(issued), sum(unused) from (
            {by_quarter}) parts
        group by start having sum(check_ins) <> 0 or sum(issued) <> 0 or sum(unused) <> 0;
    else
        insert into public.token_deltas select user_id, created_at, used_at, n from {source};
    end if;"""


def sql(name: str) -> str:
    """The statements of a file in this package, `rollups.sql` for instance, parts filled in."""
    file = resources.files(__package__).joinpath(name)
    plain = "plain" if name == "rollups.sql" else "public.token_deltas"
    return Template(file.read_text(encoding="utf-8")).safe_substitute(
        inserted=_record(INSERTED, rows="added"),
        deleted=_record(DELETED, rows="removed"),
        updated=_record(UPDATED, rows="added"),
        plain_by_user=BY_USER.format(source=plain),
        plain_by_quarter=BY_QUARTER.format(source=plain),
        first_check_in=FIRST_CHECK_IN,
    )


def _record(source: str, rows: str) -> str:
    by_user, by_quarter = (part.format(source=source) for part in (BY_USER, BY_QUARTER))
    return RECORD.format(source=source, rows=rows, by_user=by_user, by_quarter=by_quarter)
