"""The older service's tables: made in an empty database, adopted as they are in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import op
from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import TIMESTAMP

from coworking.errors import ServiceError
from coworking.migrations import progress
from coworking.migrations.parts import sql

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import ReflectedColumn

revision = "0001"
down_revision = None

NEEDED = {
    "users": {"id", "first_name", "last_name", "joined_at", "is_active"},
    "tokens": {"id", "user_id", "token", "created_at", "used_at"},
}
NEVER_NULL = {"tokens.user_id", "tokens.created_at"}


def upgrade() -> None:
    """Make the tables, or see that those which are there are the older service's.

    Raises:
        ServiceError: a table of this name is there, but it is not the older service's.
    """
    inspector = inspect(op.get_bind())
    found = set(inspector.get_table_names("public")) & set(NEEDED)
    if not found:
        progress("Making the tables users and tokens ...")
        op.execute(sql("older_tables.sql"))
        return
    for table, needed in NEEDED.items():
        if table not in found:
            raise _unlike(f"there is no table {table}")
        columns = {column["name"]: column for column in inspector.get_columns(table, "public")}
        if missing := sorted(needed - columns.keys()):
            raise _unlike(f"{table} has no column {', '.join(missing)}")
        for name in sorted(needed):
            _refuse_unlike(f"{table}.{name}", columns[name])


def _refuse_unlike(name: str, column: ReflectedColumn) -> None:
    """The rollups count by these columns: a value that they can't store would fail each write."""
    kind = column["type"]
    written = kind.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy's
    if name.endswith("_at") and (not isinstance(kind, TIMESTAMP) or kind.timezone):
        raise _unlike(f"{name} is of type {written}, not timestamp without time zone")
    if name == "tokens.user_id" and written not in {"INTEGER", "SMALLINT"}:
        raise _unlike(f"{name} is of type {written}, not integer")
    if name in NEVER_NULL and column["nullable"]:
        raise _unlike(f"{name} may be null (ALTER TABLE … ALTER … SET NOT NULL fixes it)")


def downgrade() -> None:
    """Leave the older tables: we never drop their rows, whoever made the tables."""


def _unlike(reason: str) -> ServiceError:
    return ServiceError(
        f"the database has tables, but not the older service's: {reason}",
        hint="Check DB_HOST and DB_NAME; an empty database or one of the older service is needed.",
    )
