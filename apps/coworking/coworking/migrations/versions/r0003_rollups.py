"""The rollups, still empty, and the triggers that from now on record every change of `tokens`.

Writers wait while the triggers are made, which takes a few milliseconds; readers never wait.
"""

from __future__ import annotations

from alembic import op

from coworking.locks import in_short_attempts
from coworking.migrations import progress
from coworking.migrations.parts import sql

revision = "0003"
down_revision = "0002"

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
    op.execute(sql("rollups.sql"))
    op.execute(sql("true_views.sql"))
    connection = op.get_bind()
    in_short_attempts(connection, lambda: op.execute("select public.rollup_triggers()"))


def downgrade() -> None:
    """Remove all of it; dropping a trigger needs `tokens` for a moment without any reader."""
    in_short_attempts(op.get_bind(), _drop_all)


def _drop_all() -> None:
    for name in TRIGGERS:
        op.execute(f"drop trigger if exists {name} on public.tokens")
    for kind in ("view", "table", "function"):
        for name in MADE[kind]:
            op.execute(f"drop {kind} if exists public.{name}")
