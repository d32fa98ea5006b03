"""How long a backup, its proof and a restore take, how large they are, and what memory they use.

    python -m bench restore --tokens 10000000

PostgreSQL 15 and pgBackRest of Debian, with the programs of the image and a repository in a folder:
S3's own time comes on top. The tables are those of the newest schema.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from sqlalchemy import create_engine

from bench.results import Results
from coworking import rollups, schema
from tests.postgres.claim import Claim
from tests.postgres.local import LocalRepository

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

PROMISED = 300.0  # seconds of a restore
MIB = 2**20
# Without the triggers, which take most of an import's time; the rebuild makes what they would have.
FILL = """
    SET session_replication_role = replica;
    INSERT INTO users (id, first_name, last_name, joined_at)
    SELECT n, 'member', n::text, timestamp '2015-01-01' FROM generate_series(1, {users}) AS n;
    INSERT INTO tokens (user_id, token, created_at, used_at)
    SELECT 1 + n % {users}, left(md5(n::text), 6), at, at + interval '9 minutes'
    FROM (SELECT n, timestamp '2016-01-01' + n * interval '{step} seconds' AS at
          FROM generate_series(1, {tokens}) AS n) AS made
"""


class Measured(NamedTuple):
    """What one step took: seconds, and MiB of all its processes at the most."""

    seconds: float
    memory: float


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """A folder that PostgreSQL's own user can reach."""
    path = Path(tempfile.mkdtemp(prefix="coworking-bench-restore-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def make(folder: Path, tokens: int) -> Claim:
    """A server with so many tokens of a tenth as many members, over ten years."""
    claim = Claim(_new(folder), LocalRepository(folder / "repository", "k" * 43).make())
    claim.initialise()
    claim.start()
    try:
        _fill(claim, tokens)
    except BaseException:  # Ctrl-C too: the server would stay
        claim.kill()
        raise
    return claim


def _fill(claim: Claim, tokens: int) -> None:
    engine = create_engine(f"postgresql+psycopg2://postgres@/postgres?host={claim.run}")
    schema.upgrade(engine)
    step = 10 * 365 * 86400 // tokens
    click.echo(f"Making {tokens:,} tokens ...")
    claim.sql(FILL.format(users=max(1, tokens // 10), tokens=tokens, step=step))
    rollups.rebuild(engine, progress=click.echo)
    engine.dispose()
    claim.sql("CHECKPOINT")


def _new(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix="claim-", dir=folder))


def measure(claim: Claim, begin: Callable[[], subprocess.Popen[str]], until: str) -> Measured:
    """Run a program until it has said something, or has ended well where `until` is empty."""
    began = time.monotonic()
    process = begin()
    enough, most = threading.Event(), [0.0]

    def sample() -> None:
        while not enough.wait(0.2):
            most[0] = max(most[0], _memory(process.pid, claim.data))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        while process.poll() is None and not (until and until in claim.said()):
            time.sleep(0.05)
        seconds = time.monotonic() - began
    finally:
        enough.set()
        sampler.join()
    if until:
        process.terminate()
    if process.wait() not in (0, 143) or until not in claim.said():
        raise click.ClickException(f"it ended too early: {claim.said()[-2000:]}")
    return Measured(seconds, most[0])


def _memory(session: int, data: Path) -> float:
    """MiB of a session's processes and of the server on a folder; shared pages count once."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            is_ours = os.getsid(int(process.name)) == session
            if not is_ours and str(data).encode() not in (process / "cmdline").read_bytes():
                continue
            lines = (process / "smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / MIB


def size(folder: Path) -> float:
    """MiB of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MIB


@click.command()
@click.option("--tokens", type=click.IntRange(min=1000), default=1_000_000, show_default=True)
def command(tokens: int) -> str | None:
    """Back up, prove and restore so many tokens: seconds, sizes and memory."""
    results = Results("restore")
    with place() as folder:
        began = time.monotonic()
        served = make(folder, tokens)
        made = time.monotonic() - began
        steps: dict[str, Measured] = {}
        try:
            click.echo("Backing up, proving and restoring ...")
            steps["backup and count"] = measure(
                served, lambda: served.begin("keep-backups"), "Counted after"
            )
            served.sql("UPDATE users SET first_name = 'after the backup' WHERE id = 1")
            served.archive_all()
            proof, restored = (Claim(_new(folder), served.repository) for _ in range(2))
            steps["proof"] = measure(proof, lambda: proof.begin("prove-backup"), "")
            shutil.rmtree(proof.data)
            variables = {"RESTORE_TO": "latest", "RESTORE_AFTER": "1"}
            steps["restore"] = measure(
                restored, lambda: restored.begin("fill-claim", **variables), ""
            )
            restored.serve()
            found = restored.sql(
                "SELECT count(*) || ' ' || (SELECT first_name FROM users WHERE id = 1) FROM tokens"
            )
            restored.kill()
        finally:
            served.kill()
        if found != f"{tokens} after the backup":
            raise click.ClickException(f"restored was: {found}")
        _report(
            results,
            steps,
            {"tokens": tokens, "seconds to make them": made}
            | {"data MiB": size(served.data), "repository MiB": size(folder / "repository")},
        )
    if tokens >= 10_000_000:
        results.promise("seconds of a restore", steps["restore"].seconds, "<=", PROMISED)
    return None if results.finish() else "restore"


def _report(results: Results, steps: dict[str, Measured], figures: dict[str, float]) -> None:
    results.figures |= figures | {name: step._asdict() for name, step in steps.items()}
    for name, value in figures.items():
        click.echo(f"  {name:24} {value:14,.0f}")
    for name, step in steps.items():
        click.echo(f"  {name:24} {step.seconds:10,.1f} s   {step.memory:8,.0f} MiB of memory")
