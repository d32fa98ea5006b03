"""Databases that one test after the other uses: without it tests/app takes a tenth longer."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.app.conftest import Database, Server

# All that a test may change in a database beside its rows, as one text.
SCHEMA = """
    SELECT md5(string_agg(line, ' ' ORDER BY line COLLATE "C")) FROM (
        SELECT concat_ws(' ', oid::regclass, relkind, relowner, relacl, reloptions,
                         relrowsecurity, relreplident) AS line
        FROM pg_class WHERE oid >= 16384 AND relnamespace::regnamespace::text !~ '^pg_toast'
        UNION ALL
        SELECT concat_ws(' ', attrelid::regclass, attnum, attname, atttypid, attnotnull, attacl,
                         attstattarget)
        FROM pg_attribute WHERE attrelid >= 16384 AND attrelid::regclass::text !~ '^pg_toast'
        UNION ALL
        SELECT concat_ws(' ', tgrelid::regclass, tgname, tgenabled, tgfoid::regproc, tgtype)
        FROM pg_trigger
        UNION ALL
        SELECT concat_ws(' ', oid::regprocedure, prosrc, proacl, proconfig) FROM pg_proc
        WHERE oid >= 16384
        UNION ALL
        SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE oid >= 16384
        UNION ALL
        SELECT concat_ws(' ', indexrelid::regclass, indisvalid) FROM pg_index
        WHERE indexrelid >= 16384 AND indrelid::regclass::text !~ '^pg_toast'
        UNION ALL
        SELECT concat_ws(' ', oid::regclass, pg_get_viewdef(oid)) FROM pg_class
        WHERE relkind = 'v' AND oid >= 16384
        UNION ALL
        SELECT concat_ws(' ', nspname, nspowner, nspacl) FROM pg_namespace
        WHERE nspname !~ '^pg_(toast|temp)'
        UNION ALL
        SELECT concat_ws(' ', datallowconn, datconnlimit, datacl) FROM pg_database
        WHERE datname = current_database()
        UNION ALL
        SELECT concat_ws(' ', setrole, setconfig) FROM pg_db_role_setting
        UNION ALL
        SELECT version_num FROM alembic_version
    ) AS lines
"""
END_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# The rollups follow by their trigger.
EMPTY = """
    TRUNCATE users, tokens RESTART IDENTITY CASCADE;
    TRUNCATE member_numbers;
    DELETE FROM rollup_checks;
    INSERT INTO rollup_checks DEFAULT VALUES;
"""


class ReusedDatabases:
    """The databases of one process, empty and of the newest schema whenever they are lent.

    Args:
        server: the server of a PostgreSQL version.
        template: the name of the database to copy on the server of a version.
    """

    def __init__(self, server: Callable[[int], Server], template: Callable[[int], str]) -> None:
        self._server = server
        self._template = template
        self._free: dict[int, list[Database]] = defaultdict(list)
        self._schema: dict[int, object] = {}

    @contextmanager
    def lend(self, version: int) -> Iterator[Database]:
        """Lend a database of a PostgreSQL version; one whose schema was changed is dropped."""
        free = self._free[version]
        database = free.pop() if free else self._server(version).create(self._template(version))
        if version not in self._schema:
            self._schema[version] = database.rows(SCHEMA)
        yield database
        if _emptied(database, self._schema[version]):
            free.append(database)
        else:
            self._server(version).drop(database)


def _emptied(database: Database, expected: object) -> bool:
    """Whether the database is as it was made; a lock or a lost table says that it can't be."""
    try:
        connection = database.connect()
    except psycopg2.Error:
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'; " + END_OTHERS)
            cursor.execute(SCHEMA)
            if cursor.fetchall() != expected:
                return False
            cursor.execute(EMPTY)
    except psycopg2.Error:
        return False
    finally:
        connection.close()
    return True
