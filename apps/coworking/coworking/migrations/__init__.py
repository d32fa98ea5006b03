"""The database's revisions, run by `coworking.schema`; docs/rollups.md says what they make."""

from __future__ import annotations

from importlib import resources

from alembic import context


def sql(name: str) -> str:
    """The text of a file of statements in this package, `rollups.sql` for instance."""
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def progress(sentence: str) -> None:
    """Tell whoever runs the revisions what comes now."""
    context.config.attributes["progress"](sentence)
