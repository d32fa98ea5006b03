"""Statements that PostgreSQL plans once a connection, since that takes longer than to run them.

    run(connection, "SELECT count(*) FROM tokens WHERE used_at >= :since", {"since": at}, types)

They last as long as the session does, also when the transaction that prepared them is rolled back;
after a change of the schema PostgreSQL plans them again by itself
(https://www.postgresql.org/docs/current/sql-prepare.html).
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, CursorResult

MOST = 16  # of one connection: each takes the server some memory
_PARAMETER = re.compile(r"(?<!:):(\w+)")  # not the type after `::`
_numbers = count(1)


def run(
    connection: Connection,
    statement: str,
    parameters: Mapping[str, object],
    types: Mapping[str, str],
    *,
    sort: bool = True,
) -> CursorResult[Any]:
    """Run a statement, which is prepared first where this connection doesn't know it.

    Args:
        connection: to the database.
        statement: SQL with parameters such as `:since`.
        parameters: their values.
        types: the SQL type of each.
        sort: False where hashing is faster, and to the planner both cost the same: it then sorts
            only what it must, until the transaction ends.
    """
    known: dict[str, str] = connection.info.setdefault("prepared", {})
    if statement not in known:
        _prepare(connection, known, statement, types)
    values = ", ".join(f"CAST(%({name})s AS {kind})" for name, kind in types.items())
    # Or PostgreSQL plans it again for each set of values, as if that cost nothing.
    settings = "SET LOCAL plan_cache_mode = force_generic_plan; "
    if not sort:
        settings += "SET LOCAL enable_sort = off; "
    called = f"{settings}EXECUTE {known[statement]} {f'({values})' if values else ''}"
    return connection.exec_driver_sql(called, dict(parameters))


def _prepare(
    connection: Connection, known: dict[str, str], statement: str, types: Mapping[str, str]
) -> None:
    """Prepare a statement under a new name, and forget the oldest of too many."""
    if len(known) >= MOST:
        oldest = next(iter(known))
        connection.exec_driver_sql(f"DEALLOCATE {known.pop(oldest)}")
    places = {name: f"${number}" for number, name in enumerate(types, 1)}
    name = f"coworking_{next(_numbers)}"
    body = _PARAMETER.sub(lambda match: places[match[1]], statement.replace("%", "%%"))
    kinds = f"({', '.join(types.values())})" if types else ""
    connection.exec_driver_sql(f"PREPARE {name} {kinds} AS {body}")
    known[statement] = name
