"""The record of whether the rollups still follow `tokens`; coworking/checks.py keeps it."""

from __future__ import annotations

from alembic import op

from coworking.migrations import progress
from coworking.migrations.parts import sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the record: as of now all is verified, since 0004 has just filled the rollups."""
    progress("Making the record of the rollups' checks ...")
    op.execute(sql("rollup_checks.sql"))


def downgrade() -> None:
    """Remove it."""
    op.execute("drop table if exists public.rollup_checks")
