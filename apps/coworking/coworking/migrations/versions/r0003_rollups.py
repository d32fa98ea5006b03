"""The rollups, still empty, and the triggers that from now on record every change of `tokens`.

Writers wait while the triggers are made, which takes a few milliseconds; readers never wait.
"""

from __future__ import annotations

from string import Template

from alembic import op

from coworking.migrations import progress, sql
from coworking.locks import in_short_attempts

revision = "0003"
down_revision = "0002"

# A source of changes is a relation of (user_id, created_at, used_at, n).
INSERTED = "(select user_id, created_at, used_at, 1::bigint as n from added) changes"
DELETED = "(select user_id, created_at, used_at, (-1)::bigint as n from removed) changes"
# Rows of which no column here has changed cancel out.
UPDATED = """(
        select user_id, created_at, used_at, sum(n)::bigint as n from (
            select user_id, created_at, used_at, 1 as n from added
            union all
            select user_id, created_at, used_at, -1 from removed) both_sides
        group by user_id, created_at, used_at having sum(n) <> 0) changes"""

BY_USER = """insert into public.user_deltas
        select user_id, sum(n), min(used_at) filter (where n > 0), min(used_at) filter (where n < 0)
        from {source} group by user_id having sum(n) <> 0 or min(used_at) is not null"""
BY_QUARTER = """insert into public.quarter_deltas
        select start, sum(check_ins), sum(issued), sum(unused) from (
            select public.quarter_hour(created_at) as start, 0 as check_ins, n as issued,
                   case when used_at is null then n else 0 end as unused
            from {source}
            union all
            select public.quarter_hour(used_at), n, 0, 0 from {source} where used_at is not null
        ) parts
        group by start having sum(check_ins) <> 0 or sum(issued) <> 0 or sum(unused) <> 0"""
# One plain insert is what a small statement can afford; eight rows more are nothing to a reader.
RECORD = """if exists (select from {rows} offset 8) then
        {by_user};
        {by_quarter};
    else
        insert into public.token_deltas select user_id, created_at, used_at, n from {source};
    end if;"""

TRIGGERS = ("rollups_inserted", "rollups_deleted", "rollups_updated", "rollups_truncated")
MADE = {
    "function": (
        *(
            "rollup_fold()",
            "rollup_rebuild()",
            "rollup_triggers()",
            "tokens_inserted()",
            "tokens_deleted()",
        ),
        *("tokens_updated()", "tokens_truncated()", "quarter_hour(timestamp)"),
    ),
    "table": (
        *("daily_visits", "user_visits", "quarter_hours"),
        *("quarter_deltas", "user_deltas", "token_deltas"),
    ),
    "view": ("true_daily_visits", "true_user_visits", "true_quarter_hours"),
}


def upgrade() -> None:
    """Make tables and functions, and the triggers last: their lock is held until the commit."""
    progress("Installing the rollups and the triggers that feed them ...")
    op.execute(rollups_sql())
    connection = op.get_bind()
    in_short_attempts(connection, lambda: op.execute("select public.rollup_triggers()"))


def downgrade() -> None:
    """Remove all of it; dropping a trigger needs `tokens` for a moment without any reader."""
    in_short_attempts(op.get_bind(), _drop_all)


def rollups_sql() -> str:
    """The statements of rollups.sql, with the recording of changes written out."""
    return Template(sql("rollups.sql")).safe_substitute(
        inserted=_record(INSERTED, rows="added"),
        deleted=_record(DELETED, rows="removed"),
        updated=_record(UPDATED, rows="added"),
        moved_by_user=BY_USER.format(source="moved"),
        moved_by_quarter=BY_QUARTER.format(source="moved"),
    )


def _record(source: str, rows: str) -> str:
    by_user, by_quarter = (part.format(source=source) for part in (BY_USER, BY_QUARTER))
    return RECORD.format(source=source, rows=rows, by_user=by_user, by_quarter=by_quarter)


def _drop_all() -> None:
    for name in TRIGGERS:
        op.execute(f"drop trigger if exists {name} on public.tokens")
    for kind in ("view", "table", "function"):
        for name in MADE[kind]:
            op.execute(f"drop {kind} if exists public.{name}")
