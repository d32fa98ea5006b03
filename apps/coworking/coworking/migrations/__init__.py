"""The database's revisions, run by `coworking.schema`; docs/rollups.md says what they make."""

from __future__ import annotations

from alembic import context


def progress(sentence: str) -> None:
    """Tell whoever runs the revisions what comes now."""
    context.config.attributes["progress"](sentence)
