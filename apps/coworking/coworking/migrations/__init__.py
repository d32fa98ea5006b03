"""The database's revisions, run by `coworking.schema`; docs/rollups.md says what they make."""

from __future__ import annotations

from alembic import context


def progress(sentence: str) -> None:
    """Report the next step to the caller who runs the revisions."""
    context.config.attributes["progress"](sentence)
