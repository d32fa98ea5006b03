"""What a machine makes of the OpenAPI document: hundreds of valid, invalid and hostile requests."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Database(Protocol):
    def execute(self, *statements: str) -> None: ...


def test_every_answer_is_one_that_the_document_describes(
    database: Database, serve: Callable[..., Any], tmp_path: Path
) -> None:
    database.execute(
        "INSERT INTO users VALUES (1, '', '', '2024-01-01')",
        """INSERT INTO tokens (user_id, token, created_at, used_at)
           SELECT 1, '', at, at FROM generate_series(
               '2024-01-01 08:00'::timestamp, '2024-03-01', '7 hours') AS at""",
    )
    address = serve(database, DRAIN_SECONDS="0").address

    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json"),
            *("--phases=examples,coverage,fuzzing", "--mode=all", "--max-examples=40"),
            *("--generation-deterministic", "--no-color"),
            # JSON Schema can't say that `to` comes after `from`, nor which zones there are.
            "--exclude-checks=positive_data_acceptance",
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout
