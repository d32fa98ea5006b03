"""The older service's tables: made in an empty database, adopted as they are in another."""

from __future__ import annotations

from alembic import op
from sqlalchemy import inspect
from sqlalchemy.dialects.postgresql import TIMESTAMP

from coworking.errors import ServiceError
from coworking.migrations import progress
from coworking.migrations.parts import sql

revision = "0001"
down_revision = None

NEEDED = {
    "users": {"id", "first_name", "last_name", "joined_at", "is_active"},
    "tokens": {"id", "user_id", "token", "created_at", "used_at"},
}


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
        columns = {
            column["name"]: column["type"] for column in inspector.get_columns(table, "public")
        }
        if missing := sorted(needed - columns.keys()):
            raise _unlike(f"{table} has no column {', '.join(missing)}")
        for name in sorted(needed & {"joined_at", "created_at", "used_at"}):
            kind = columns[name]
            if not isinstance(kind, TIMESTAMP) or kind.timezone:
                raise _unlike(f"{table}.{name} is of type {kind}, not timestamp without time zone")


def downgrade() -> None:
    """Leave the older tables: their rows are not ours to drop, whoever made them."""


def _unlike(reason: str) -> ServiceError:
    return ServiceError(
        f"the database has tables, but not the older service's: {reason}",
        hint="Check DB_HOST and DB_NAME; an empty database or one of the older service is needed.",
    )
