"""The database's password is changed under load, in pods that see it late, and no request fails."""

from __future__ import annotations

import dataclasses
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from coworking import change_password, schema
from coworking.config import Config
from coworking.database import Database as Connections
from coworking.errors import ConfigError, DatabaseAway, ServiceError
from coworking.passwords import mark_of
from tests.app.conftest import Database, Server, Servers
from tests.app.service.clients import REPORTS, Clients
from tests.app.service.conftest import environment_of, wait_for
from tests.app.service.kubelet import Mount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# `make test` has a short form of each; `make test-long` has all.
# Rotations, and how many sessions the chaos has to end in them at least, also on a busy machine.
ROTATIONS = [(1, 2), pytest.param(3, 6, marks=pytest.mark.slow)]
LATE = 2.0  # seconds by which the second pod's node sees a changed Secret later
KILLS = [2, pytest.param(20, marks=pytest.mark.slow)]
CLIENTS = 8  # connections to each of two pods


@dataclasses.dataclass(frozen=True)
class Place(Database):
    """A database whose owner logs in with the password of a file, and is not a superuser."""

    password_file: Path


class Secret:
    """The cluster's Secret, mounted into pods."""

    def __init__(self, folder: Path, password: str) -> None:
        self.entries = {"DB_PASSWORD": password}
        self._folder = folder
        self.mounts: list[Mount] = []

    def mount(self) -> Mount:
        self.mounts.append(Mount(self._folder / f"pod-{len(self.mounts)}", self.entries))
        return self.mounts[-1]

    def announce(self) -> str:
        self.entries["DB_PASSWORD_NEXT"] = secrets.token_urlsafe(32)
        return self.entries["DB_PASSWORD_NEXT"]

    def finish(self) -> None:
        self.entries = {"DB_PASSWORD": self.entries["DB_PASSWORD_NEXT"]}

    def reach(self, *mounts: Mount) -> None:
        for mount in mounts or self.mounts:
            mount.write(self.entries)


@pytest.fixture
def owner(postgres_servers: Servers, postgres_version: int) -> Iterator[Database]:
    """A migrated database of a role of its own, which logs in by scram-sha-256."""
    server = postgres_servers(postgres_version)
    name, password = f"owner_{secrets.token_hex(6)}", secrets.token_urlsafe(32)
    admin = server.database("postgres")
    admin.execute(
        f"CREATE ROLE {name} LOGIN PASSWORD '{password}'", f"CREATE DATABASE {name} OWNER {name}"
    )
    owner = dataclasses.replace(admin, user=name, password=password, name=name)
    schema.upgrade(create_engine(owner.url, poolclass=NullPool))
    yield owner
    admin.execute(f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {name}")


@pytest.fixture
def secret(tmp_path: Path, owner: Database) -> Secret:
    (tmp_path / "secret").mkdir()
    return Secret(tmp_path / "secret", owner.password)


@pytest.fixture
def pod(owner: Database, secret: Secret) -> Callable[[], Place]:
    """`pod()`: the database as one pod sees it, by a mount of its own."""

    def pod() -> Place:
        file = secret.mount().folder / "DB_PASSWORD"
        return Place(**dataclasses.asdict(owner), password_file=file)

    return pod


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[Place], Config]:
    def read(place: Place) -> Config:
        for name, value in environment_of(place).items():
            monkeypatch.setenv(name, value)
        return Config.read()

    return read


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_password, "POLL", 0.1)
    monkeypatch.setattr(change_password, "SETTLED", 1.0)


def opens(owner: Database, password: str) -> bool:
    try:
        dataclasses.replace(owner, password=password).connect().close()
    except psycopg2.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        return False
    return True


def names(owner: Database) -> set[str]:
    """The names of the service's sessions, without those of the test."""
    rows = owner.rows(
        "SELECT application_name FROM pg_stat_activity"
        " WHERE usename = current_user AND application_name LIKE 'coworking%'"
    )
    return {str(name) for (name,) in rows}


class Chaos(threading.Thread):
    """Ends idle sessions of the service all the time, so that it must log in again and again."""

    def __init__(self, admin: Database, user: str) -> None:
        super().__init__()
        self.enough = threading.Event()
        self.ended = 0
        self._admin, self._user = admin, user

    def run(self) -> None:
        while not self.enough.wait(0.05):
            self.ended += len(
                self._admin.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    f" WHERE usename = '{self._user}' AND state = 'idle'"
                    " AND state_change < now() - interval '50 ms'"
                    " AND application_name LIKE 'coworking %'"
                    f" AND application_name NOT LIKE '%.{os.getpid()}%'"  # the Job's is this one
                )
            )


@pytest.mark.slow
@pytest.mark.parametrize(
    "postgres_version", [pytest.param(15, marks=pytest.mark.slow), 18], indirect=True
)
@pytest.mark.parametrize(("rotations", "ended"), ROTATIONS)
def test_a_rotation_under_load_fails_no_request(
    serve: Callable[..., Any],
    owner: Database,
    secret: Secret,
    pod: Callable[[], Place],
    read: Callable[[Place], Config],
    *,
    rotations: int,
    ended: int,
) -> None:
    ports = [int(serve(pod(), LOG_LEVEL="WARNING").address.rpartition(":")[2]) for _ in range(2)]
    chaos = Chaos(Server(owner.postgres_version, owner.port).database("postgres"), owner.user)
    chaos.start()
    try:
        with (
            Clients(ports[0], REPORTS, connections=CLIENTS) as one,
            Clients(ports[1], REPORTS, connections=CLIENTS) as other,
        ):
            for _ in range(rotations):
                _rotate(owner, secret, read(pod()), lambda: _wait_for_traffic(one, other))
    finally:
        chaos.enough.set()
        chaos.join()
    outcomes = one.outcomes + other.outcomes
    print(f"{outcomes.total()} requests, {chaos.ended} sessions ended: {dict(outcomes)}")
    assert outcomes == Counter({"200": outcomes.total()})
    assert outcomes.total() > 170 * rotations
    assert chaos.ended > ended


def _rotate(owner: Database, secret: Secret, job: Config, traffic: Callable[[], None]) -> None:
    """One rotation; the second pod sees each change of the Secret later than the first."""
    early, late = secret.mounts[:2]
    old, new = secret.entries["DB_PASSWORD"], secret.announce()
    secret.reach(early, secret.mounts[-1])
    began, said = time.monotonic(), list[str]()

    def say(line: str) -> None:
        if not said:  # it waits for the second pod: reached earlier, it would not have to
            threading.Timer(LATE, secret.reach, [late]).start()
        said.append(line)

    change_password.change(job, within=60, say=say)
    assert time.monotonic() - began > LATE
    assert said[0].startswith("These don't know the announced password yet: coworking ")
    assert (opens(owner, old), opens(owner, new)) == (False, True)
    traffic()
    secret.finish()
    for mount in (early, late):
        secret.reach(mount)
        traffic()


def _wait_for_traffic(*all_clients: Clients) -> None:
    before = [clients.total for clients in all_clients]
    deadline = time.monotonic() + 20
    while any(clients.total < n + 50 for clients, n in zip(all_clients, before, strict=True)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_process_says_in_its_session_which_password_is_announced(
    serve: Callable[..., Any],
    owner: Database,
    secret: Secret,
    pod: Callable[[], Place],
    wait: Callable[..., None],
) -> None:
    service = serve(pod(), FOLD_SECONDS="3600")
    assert not any("next=" in name for name in names(owner))
    new = secret.announce()
    secret.reach()

    def says() -> bool:
        service.get("/readiness_check")
        return any(name.endswith(f" next={mark_of(new)}") for name in names(owner))

    wait(says, "the announced password in the session's name")
    assert len(mark_of(new)) == 4
    secret.finish()
    secret.reach()
    wait(
        lambda: service.get("/readiness_check") and not any("next=" in n for n in names(owner)),
        "the end of it",
    )


@pytest.mark.slow
def test_a_process_without_requests_does_not_block_the_change(
    serve: Callable[..., Any],
    owner: Database,
    secret: Secret,
    pod: Callable[[], Place],
    read: Callable[[Place], Config],
) -> None:
    """The parent folds on a session of its own, named when it was opened."""
    service = serve(pod(), FOLD_SECONDS="1")
    wait_for(lambda: "this process folds from now on" in service.logged(), "the sessions that fold")
    new = secret.announce()
    secret.reach()
    wait_for(
        lambda: service.get("/readiness_check") and any("next=" in n for n in names(owner)),
        "a worker that has seen it",
    )
    change_password.change(read(pod()), within=10, say=lambda _: None)
    assert opens(owner, new)


@pytest.mark.slow
def test_an_older_release_blocks_the_change(
    owner: Database, secret: Secret, pod: Callable[[], Place], read: Callable[[Place], Config]
) -> None:
    """It knows one password only, so every new login of it would fail."""
    new = secret.announce()
    older = owner.connect()
    older.cursor().execute("SET application_name = 'coworking'")
    with pytest.raises(ServiceError, match=r"is not known to coworking; nothing was changed"):
        change_password.change(read(pod()), within=1, say=lambda _: None)
    older.close()
    assert (opens(owner, owner.password), opens(owner, new)) == (True, False)


@pytest.mark.slow
def test_somebody_elses_session_does_not_block_the_change(
    owner: Database, secret: Secret, pod: Callable[[], Place], read: Callable[[Place], Config]
) -> None:
    new = secret.announce()
    person = owner.connect()
    change_password.change(read(pod()), within=1.5, say=lambda _: None)
    person.close()
    assert opens(owner, new)


@pytest.mark.slow
def test_called_again_it_finds_what_was_done(
    secret: Secret, pod: Callable[[], Place], read: Callable[[Place], Config]
) -> None:
    secret.announce()
    config, said = read(pod()), list[str]()
    change_password.change(config, within=60, say=lambda _: None)
    change_password.change(config, within=60, say=said.append)
    assert said == [
        "The database has the announced password already.",
        "The new password opens the database, and the old one is refused.",
    ]


def test_a_database_that_takes_neither_password_is_reported(
    secret: Secret, pod: Callable[[], Place], read: Callable[[Place], Config]
) -> None:
    secret.entries["DB_PASSWORD"] = secrets.token_urlsafe(32)
    secret.announce()
    with pytest.raises(ServiceError, match="neither the present password nor the announced one"):
        change_password.change(read(pod()), within=60, say=lambda _: None)


def test_without_an_announced_password_nothing_is_changed(
    owner: Database, secret: Secret, pod: Callable[[], Place], read: Callable[[Place], Config]
) -> None:
    with pytest.raises(ConfigError, match="no password is announced"):
        change_password.change(read(pod()), within=60, say=lambda _: None)
    secret.entries["DB_PASSWORD_NEXT"] = owner.password
    with pytest.raises(ConfigError, match="the announced password is the present one"):
        change_password.change(read(pod()), within=60, say=lambda _: None)
    assert opens(owner, owner.password)


@pytest.mark.slow
@pytest.mark.parametrize("kills", KILLS)
def test_the_command_ends_well_when_it_is_called_again_after_a_kill_at_any_moment(
    owner: Database, secret: Secret, pod: Callable[[], Place], kills: int
) -> None:
    """It settles for 10 s, so most kills come before the change; some after it, by its own line."""
    chance = random.Random(20261129)
    after = 0
    for _ in range(kills):
        old, new = secret.entries["DB_PASSWORD"], secret.announce()
        environment = os.environ | environment_of(pod())
        code = (
            "import sys; from coworking import change_password, cli;"
            " change_password.POLL, change_password.SETTLED = 0.02, 0.1; sys.argv[1:] ="
            " ['change-password']; cli.main()"
        )
        command = [sys.executable, "-c", code]
        first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.2, 1.1))
        first.kill()
        first.wait()
        after += opens(owner, new)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("opens the database, and the old one is refused.\n")
        assert (opens(owner, old), opens(owner, new)) == (False, True)
        assert old not in done.stdout + done.stderr
        assert new not in done.stdout + done.stderr
        secret.finish()
    print(f"{after} of {kills} kills came after the change")


def test_a_request_is_answered_503_when_both_are_refused(
    owner: Database, secret: Secret, pod: Callable[[], Place], read: Callable[[Place], Config]
) -> None:
    secret.entries["DB_PASSWORD"] = secrets.token_urlsafe(32)
    secret.announce()
    with pytest.raises(DatabaseAway, match="can't be reached"):
        Connections(read(pod())).connect()
