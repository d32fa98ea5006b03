"""The index by which members of a window are counted, made while everyone reads and writes."""

from __future__ import annotations

from coworking.migrations import indexes

revision = "0002"
down_revision = "0001"

NAME = "tokens_used_at_user_id_index"


def upgrade() -> None:
    """Make the index."""
    indexes.make(NAME, "tokens", "used_at, user_id")


def downgrade() -> None:
    """Remove the index."""
    indexes.remove(NAME)
