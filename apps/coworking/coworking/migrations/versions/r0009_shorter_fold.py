"""Makes the fold's function again: of a check-in that went it asks once, not four times."""

from __future__ import annotations

import re

from alembic import op

from coworking.migrations.parts import sql

revision = "0009"
down_revision = "0008"
_FOLD = re.compile(r"create or replace function rollup_fold.*?end \$function\$;", re.DOTALL)


def upgrade() -> None:
    """Replace the function. A fold under way goes on with the one that it began with."""
    found = _FOLD.search(sql("member_sets.sql"))
    if found is None:
        raise LookupError("member_sets.sql has no rollup_fold")
    op.execute(found[0])


def downgrade() -> None:
    """Leave it: it does the same, and 0007 puts the one of 0003 in its place."""
