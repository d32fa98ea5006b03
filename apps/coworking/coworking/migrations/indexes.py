"""Indexes that revisions make while everyone reads and writes."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from coworking.migrations import progress

VALID = text("""
    SELECT indisvalid FROM pg_index
    WHERE indexrelid = to_regclass(:index) AND indrelid = CAST(:table AS regclass)
""")


def make(name: str, table: str, columns: str) -> None:
    """Make an index of a table; one that an interrupted attempt left behind is made again."""
    known = {"index": f"public.{name}", "table": f"public.{table}"}
    valid = op.get_bind().execute(VALID, known).scalar()
    if valid:
        return
    progress(f"Indexing {table} by {columns}; a big table takes a while ...")
    with op.get_context().autocommit_block():
        if valid is not None:
            op.execute(f"DROP INDEX CONCURRENTLY public.{name}")
        op.execute(f"CREATE INDEX CONCURRENTLY {name} ON public.{table} ({columns})")


def remove(name: str) -> None:
    """Remove an index, if there is one."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS public.{name}")
