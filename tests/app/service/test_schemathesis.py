"""What a machine makes of the OpenAPI document: hundreds of valid, invalid and hostile requests."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from coworking.access import new_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Database(Protocol):
    def execute(self, *statements: str) -> None: ...


WITH_A_KEY = pytest.param(new_key(), id="with an access key")
ALL = pytest.param("examples,coverage,fuzzing", 40, marks=pytest.mark.thorough)
# In `make test` with a key alone: all is asked of the closed door that is asked of the open one.
OPEN = pytest.param("", id="open", marks=pytest.mark.thorough)


@pytest.mark.thorough
@pytest.mark.parametrize(("phases", "examples"), [("examples,fuzzing", 4), ALL])
@pytest.mark.parametrize("key", [OPEN, WITH_A_KEY])
def test_every_answer_is_one_that_the_document_describes(
    database: Database,
    serve: Callable[..., Any],
    tmp_path: Path,
    key: str,
    *,
    phases: str,
    examples: int,
) -> None:
    """With a key it also tries every path without it, and with a wrong one."""
    file = tmp_path / "ACCESS_KEY"
    file.write_text(key)
    database.execute(
        "INSERT INTO users VALUES (1, '', '', '2024-01-01')",
        """INSERT INTO tokens (user_id, token, created_at, used_at)
           SELECT 1, '', at, at FROM generate_series(
               '2024-01-01 08:00'::timestamp, '2024-03-01', '7 hours') AS at""",
    )
    address = serve(database, DRAIN_SECONDS="0", ACCESS_KEY_FILE=str(file)).address
    header = [f"--header=Authorization: Bearer {key}"] if key else []

    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json"),
            *(f"--phases={phases}", "--mode=all", f"--max-examples={examples}"),
            *("--generation-deterministic", "--no-color"),
            # JSON Schema can't say that `to` comes after `from`, nor which zones there are.
            "--exclude-checks=positive_data_acceptance",
            *header,
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout
