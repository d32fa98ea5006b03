"""Fills the sets of members from the tokens and the users."""

from __future__ import annotations

from alembic import op

from coworking import rollups
from coworking.migrations import progress

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Compute all rollups again, in a transaction of its own (REPEATABLE READ)."""
    progress("Filling the sets of members ...")
    rollups.rebuild(op.get_bind().engine, repair=False)


def downgrade() -> None:
    """Nothing to remove: 0007 made the tables."""
