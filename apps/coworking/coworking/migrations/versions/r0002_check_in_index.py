"""The index by which members of a window are counted, made while everyone reads and writes."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from coworking.migrations import progress

revision = "0002"
down_revision = "0001"

NAME = "tokens_used_at_user_id_index"
VALID = text("""
    SELECT indisvalid FROM pg_index
    WHERE indexrelid = to_regclass(:name) AND indrelid = 'public.tokens'::regclass
""")


def upgrade() -> None:
    """Make the index; one that an interrupted attempt left behind is made again."""
    valid = op.get_bind().execute(VALID, {"name": f"public.{NAME}"}).scalar()
    if valid:
        return
    progress("Indexing tokens by used_at; a big table takes a while ...")
    with op.get_context().autocommit_block():
        if valid is not None:
            op.execute(f"DROP INDEX CONCURRENTLY public.{NAME}")
        op.execute(f"CREATE INDEX CONCURRENTLY {NAME} ON public.tokens (used_at, user_id)")


def downgrade() -> None:
    """Remove the index."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS public.{NAME}")
