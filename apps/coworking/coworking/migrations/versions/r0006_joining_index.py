"""The index by which those who joined during part of a day are found, made as that of 0002."""

from __future__ import annotations

from coworking.migrations import indexes

revision = "0006"
down_revision = "0005"

NAME = "users_joined_at_index"


def upgrade() -> None:
    """Make the index."""
    indexes.make(NAME, "users", "joined_at")


def downgrade() -> None:
    """Remove the index."""
    indexes.remove(NAME)
