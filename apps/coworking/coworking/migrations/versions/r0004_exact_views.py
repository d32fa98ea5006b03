"""Fills the rollups from the tokens, and then shows them by the views that every reader reads.

The views come last, so that nobody can read a rollup that is not filled.
"""

from __future__ import annotations

from alembic import op

from coworking import rollups
from coworking.locks import in_short_attempts
from coworking.migrations import progress
from coworking.migrations.parts import sql

revision = "0004"
down_revision = "0003"

REPORTS = ("daily_visits", "user_visits", "quarter_hours")


def upgrade() -> None:
    """Fill in a transaction of its own (REPEATABLE READ), then make the views."""
    progress("Filling the rollups ...")
    rollups.rebuild(op.get_bind().engine, repair=False)
    op.execute(sql("exact_views.sql"))


def downgrade() -> None:
    """Remove the views."""
    in_short_attempts(op.get_bind(), _drop_views)


def _drop_views() -> None:
    for report in REPORTS:
        op.execute(f"drop view if exists public.exact_{report}, public.pending_{report}")
