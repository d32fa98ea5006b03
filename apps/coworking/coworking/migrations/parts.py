"""The parts of SQL that triggers, fold and views have in common, and the files they stand in.

A source of changes is a relation of (user_id, created_at, used_at, n): n such tokens came, or went
if n is negative.
"""

from __future__ import annotations

import re
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
                   case when used_at is null then n else 0 end as unused{member}
            from {source}
            union all
            select public.quarter_hour(used_at), n, 0, 0{member} from {source}
            where used_at is not null"""
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
        select start, sum(check_ins), sum(issued), sum(unused){came_and_went} from (
            {by_quarter}) parts
        group by start having sum(check_ins) <> 0 or sum(issued) <> 0 or sum(unused) <> 0{moved};
    else
        insert into public.token_deltas select user_id, created_at, used_at, n from {source};
    end if;"""

# From revision 0007 on, a large statement also says whose check-ins came and went.
WITHOUT_MEMBERS = {"member": "", "came_and_went": "", "moved": ""}
WITH_MEMBERS = {
    "member": ", user_id",
    "came_and_went": """,
               array_agg(user_id) filter (where check_ins > 0),
               array_agg(user_id) filter (where check_ins < 0)""",
    "moved": """
                              or bool_or(check_ins <> 0)""",
}

SET_BITS = 8192  # members in a row: 1 KiB, which is still stored as it is
# What reports can ask for (coworking/periods.py); a much earlier year can't be truncated.
KEPT = "used_at >= '1900-01-01' and used_at < '2201-01-01'"
NONE = f"B'0'::bit({SET_BITS})"
BIT_OR_NUMBERS = f"bit_or(set_bit({NONE}, number % {SET_BITS}, 1))"
# Shorter sets put together: of an hour to those of a day, and so on.
LONGER_SETS = ",\n         ".join(
    f"""{name} as (
             select date_trunc('{unit}', start) as start, chunk, bit_or(members) as members
             from {source} group by 1, 2)"""  # noqa: S608 (constants)
    for name, unit, source in (
        ("days_of", "day", "hours"),
        ("months", "month", "days_of"),
        ("years", "year", "months"),
    )
)
JOINERS = f"""select unit, case unit when 'active' then '-infinity'
                      else date_trunc(unit, greatest(joined_at, '1800-01-01')) end as start,
                      number / {SET_BITS} as chunk, {BIT_OR_NUMBERS} as members
               from (select number, joined_at, unit
                     from joined cross join unnest('{{day,month,year}}'::text[]) unit
                     union all
                     select number, joined_at, 'active' from joined where is_active) joined"""  # noqa: S608 (constants)


def sql(name: str) -> str:
    """The statements of a file in this package, `rollups.sql` for instance, parts filled in."""
    file = resources.files(__package__).joinpath(name)
    plain = "public.token_deltas" if name == "exact_views.sql" else "plain"
    return Template(file.read_text(encoding="utf-8")).safe_substitute(
        inserted=_record(INSERTED, "added", WITHOUT_MEMBERS),
        deleted=_record(DELETED, "removed", WITHOUT_MEMBERS),
        updated=_record(UPDATED, "added", WITHOUT_MEMBERS),
        inserted_members=_record(INSERTED, "added", WITH_MEMBERS),
        deleted_members=_record(DELETED, "removed", WITH_MEMBERS),
        updated_members=_record(UPDATED, "added", WITH_MEMBERS),
        plain_by_user=BY_USER.format(source=plain),
        plain_by_quarter=BY_QUARTER.format(source=plain, member=""),
        first_check_in=FIRST_CHECK_IN,
        bits=SET_BITS,
        kept=KEPT,
        none=NONE,
        bit_or_numbers=BIT_OR_NUMBERS,
        longer_sets=LONGER_SETS,
        joiners=JOINERS,
    )


def functions(name: str) -> str:
    """The functions of such a file alone, each to be made or put in another's place."""
    found = re.findall(
        r"create function [^;]*?\$function\$.*?end \$function\$;", sql(name), re.DOTALL
    )
    return "\n".join(
        each.replace("create function", "create or replace function") for each in found
    )


def _record(source: str, rows: str, members: dict[str, str]) -> str:
    by_user = BY_USER.format(source=source)
    by_quarter = BY_QUARTER.format(source=source, member=members["member"])
    return RECORD.format(
        source=source, rows=rows, by_user=by_user, by_quarter=by_quarter, **members
    )
