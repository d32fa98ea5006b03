"""The database's image in a container; skipped where there is no engine or no image."""

from __future__ import annotations

import os
import subprocess

import pytest


@pytest.fixture(scope="session")
def image() -> str:
    """The image under test, which COWORKING_POSTGRES_IMAGE names."""
    name = os.environ.get("COWORKING_POSTGRES_IMAGE", "")
    if not name:
        build = "docker build -t coworking-postgres:test apps/postgres"
        pytest.skip(f"COWORKING_POSTGRES_IMAGE is not set: {build}")
    return name


def in_container(image: str, *words: str) -> str:
    """Run words in the image as the pod does: read-only, without rights, without a network."""
    done = subprocess.run(
        [
            *("docker", "run", "--rm", "--read-only", "--cap-drop", "ALL", "--network", "none"),
            *("--tmpfs", "/tmp:mode=1777", "--user", "999:999"),
            *("--security-opt", "no-new-privileges", "--entrypoint", words[0], image, *words[1:]),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_the_postgresql_that_the_base_deploys(image: str) -> None:
    assert in_container(image, "postgres", "--version").startswith("postgres (PostgreSQL) 15.")


def test_it_has_a_pgbackrest_that_reads_the_settings(image: str) -> None:
    assert in_container(image, "pgbackrest", "version").startswith("pgBackRest 2.")


@pytest.mark.parametrize("program", ["fill-claim", "keep-backups", "prove-backup"])
def test_its_programs_can_be_run(image: str, program: str) -> None:
    in_container(image, "test", "-x", f"/usr/local/bin/{program}")
    in_container(image, "bash", "-n", f"/usr/local/bin/{program}")


def test_a_database_starts_in_it(image: str) -> None:
    start = (
        "initdb -D /tmp/data -U postgres --auth trust >/dev/null"
        " && pg_ctl -s -w -D /tmp/data -o '-k /tmp -h \"\"' start >/dev/null"
        " && psql -XAtq -h /tmp -U postgres -c 'SELECT 6 * 7'"
    )
    assert in_container(image, "bash", "-c", start).splitlines()[-1] == "42"
