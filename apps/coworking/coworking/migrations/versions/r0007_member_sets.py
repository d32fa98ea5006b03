"""The sets of members, still empty, and the triggers on `users` and `tokens` that feed them.

Until 0008 fills them the fold keeps what has changed since. Writers wait for some milliseconds.
"""

from __future__ import annotations

from alembic import op

from coworking.locks import in_short_attempts
from coworking.migrations import progress
from coworking.migrations.parts import functions, sql

revision = "0007"
down_revision = "0006"

TRIGGERS = ("members_inserted", "members_deleted", "members_updated", "members_truncated")
TABLES = ("member_numbers", "member_sets", "joined_sets", "member_changes")


def upgrade() -> None:
    """Make tables, functions and triggers at once."""
    progress("Installing the sets of members and the triggers that feed them ...")
    in_short_attempts(op.get_bind(), _make_all)


def _make_all() -> None:
    op.execute("lock table public.users, public.tokens in share row exclusive mode")
    op.execute(sql("member_sets.sql"))
    op.execute("select public.rollup_triggers()")


def downgrade() -> None:
    """Remove all of it, and put the functions of 0003 in their place again."""
    in_short_attempts(op.get_bind(), _drop_all)


def _drop_all() -> None:
    op.execute("lock table public.users, public.tokens in access exclusive mode")
    for name in TRIGGERS:
        op.execute(f"drop trigger if exists {name} on public.users")
        op.execute(f"drop function if exists public.{name}()")
    op.execute(functions("rollups.sql"))
    op.execute("alter table public.quarter_deltas drop if exists came, drop if exists went")
    for name in TABLES:
        op.execute(f"drop table if exists public.{name}")
