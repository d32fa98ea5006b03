"""Prod's backups: switched on in the copy by the lines of docs/backups.md, and asked how they are.

What the throw-away environment needs beside those lines: the tag of the database's image, as a
promotion writes it, the certificate authority of its S3, and a way to that S3, which has no public
address. A key stands in for the role that AWS gives the pod: moto refuses nobody.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, NamedTuple

from ci.argocd.client import ArgoError
from tests.e2e.harness import bootstrap, images
from tests.e2e.harness.cluster import Refused, until
from tests.e2e.harness.images import Version
from tests.e2e.harness.s3 import BUCKET, NAME, S3, SECRET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.harness.world import World

PAGES = bootstrap.ROOT / "docs"
TAG = "postgres-1"
IMAGE = "overlays/{}/postgres/image/kustomization.yaml"
WHERE = "overlays/prod/postgres/backups"
POD = "postgresql-0"
ROWS = 2_000_000  # about 130 MB beside the tokens, so that a restore lasts some seconds
# PostgreSQL's processes get SIGKILL; the first one, which nobody inside can kill, finds no
# data to start with. Nothing is archived on the way: the log is gone before.
KILL = "kill -9 -1; rm -rf /var/lib/postgresql/data/pgdata"
TRUSTED = """\
      - PGBACKREST_REPO1_STORAGE_CA_FILE=/etc/pgbackrest/ca.pem
  - name: postgresql-settings
    behavior: merge
    files: [ca.pem]
"""
# What other modules left has tokens of other forms.
NUMBERS = "SELECT token FROM tokens WHERE token ~ '^[0-9]+$'"
REACHED = """\
  - target: {{kind: NetworkPolicy, name: postgresql-backups}}
    patch: |-
      - op: add
        path: /spec/egress/0/to/-
        value: {{ipBlock: {{cidr: {}/32}}}}
"""


class Lost(NamedTuple):
    """How many acknowledged rows are missing, and seconds from the first of them to the loss."""

    rows: int
    seconds: float


class ProdBackups:
    """Prod with backups in an S3 of ours.

    Attributes:
        s3: where they are.
        volume: the volume that prod had before they were switched on.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.s3 = S3(world.settings.git_url, world.scratch)
        self.volume = ""

    def close(self) -> None:
        """End the S3."""
        self.s3.close()

    # --- switching them on ------------------------------------------------------------------------

    def switch_on(self) -> None:
        """Switch a running prod, which has a member and some rows, as docs/backups.md says."""
        world = self._world
        self._load_image()
        world.prod.sql(
            "INSERT INTO users (first_name, last_name, joined_at, is_active)"
            " SELECT 'End', 'To-End', now(), true WHERE NOT EXISTS (SELECT FROM users)"
        )
        world.prod.sql(
            "CREATE TABLE IF NOT EXISTS e2e_rows AS"
            f" SELECT n, md5(n::text) AS filler FROM generate_series(1, {ROWS}) AS n"
        )
        self.volume = self.volume_of("data-postgresql-0")
        self._commit()
        self.type("backups.md", "Switch them on", "--cascade=orphan")
        with contextlib.suppress(ArgoError):  # another operation is in progress, and does the same
            world.argocd.sync("postgres-prod")
        until("PostgreSQL has its backups beside it", self.is_backed_up, within=240)
        world.settle("postgres-prod", within=240)
        # dev's database is new with the image, and empty until dev's next sync.
        world.argocd.sync("coworking-dev")
        world.settle("coworking-dev", within=240)

    def _load_image(self) -> None:
        source = self._world.settings.postgres_image
        assert source is not None
        archive: Path = self._world.scratch / "postgres.tar"
        images.make_archive(source, archive, _image(), [Version(TAG)])
        images.load(self._world.settings.load_image, archive)
        archive.unlink()

    def _commit(self) -> None:
        repo = self._world.repo
        repo.pull()
        for environment in ("dev", "prod"):
            repo.edit(IMAGE.format(environment), r"newTag: .*$", f'newTag: "{TAG}"')
        repo.commit("Name the database's image")
        repo.ci("configure", "--backup-bucket", BUCKET, "--backup-endpoint", self.s3.host)
        key = self._world.scratch / "s3-key.txt"
        key.write_text(f"{NAME}\n{SECRET}\n")
        repo.ci("seal", "prod", "--backup-key", "--s3-key", str(key))
        path = f"{WHERE}/kustomization.yaml"
        repo.edit(path, r"^patches:\n", f"{TRUSTED}patches:\n{REACHED.format(self.s3.host)}")
        (repo.folder / WHERE / "ca.pem").write_bytes(self.s3.authority.file.read_bytes())
        repo.commit("Back prod up")
        repo.push()

    def type(self, page: str, heading: str, words: str) -> None:
        """Type the one line of a page's part that has these words."""
        found = [each for each in bootstrap.lines(heading, PAGES / page) if words in each]
        assert len(found) == 1, f"{page} has {found} with {words}"
        self._world.type_line(found[0], **self._world.repo.variables)

    # --- asking -----------------------------------------------------------------------------------

    def is_backed_up(self) -> bool:
        """Whether the database's pod is ready and has the container of the backups."""
        pod = self._world.prod.get("pod", POD)
        names = {each["name"] for each in pod["spec"]["containers"]}
        return "backups" in names and bool(self._world.prod.ready_pods("database"))

    def claim(self) -> str:
        """The claim that the database's pod uses."""
        volumes = self._world.prod.get("pod", POD)["spec"]["volumes"]
        return next(
            str(each["persistentVolumeClaim"]["claimName"])
            for each in volumes
            if each["name"] == "data"
        )

    def volume_of(self, claim: str) -> str:
        """The volume of a claim."""
        return str(self._world.prod.get("persistentvolumeclaim", claim)["spec"]["volumeName"])

    def status(self) -> str:
        """What `ci status prod` says of the whole, in one line."""
        return " ".join(self._world.repo.ci("status", "prod", status=None).split())

    def ask(self, *command: str) -> str:
        """Run a command where pgBackRest is, beside the server."""
        return self._world.prod.run("exec", POD, "-c", "backups", "--", *command).strip()

    def sql(self, statement: str) -> str:
        """Ask the server as its superuser."""
        return self.ask("psql", "-XAtq", "-U", "postgres", "-d", "postgres", "-c", statement)

    def backups(self) -> list[str]:
        """The names of the backups, oldest first."""
        info = json.loads(
            self.ask(
                "pgbackrest", "--stanza=main", "--log-level-console=off", "--output=json", "info"
            )
        )
        return [each["label"] for stanza in info for each in stanza["backup"]]

    def back_up(self) -> str:
        """Take a backup; returns its name."""
        command = ("pgbackrest", "--stanza=main", "--type=incr", "backup")
        # Another one may be under way, which holds the lock.
        until("a backup is taken", lambda: self.ask(*command), within=120, poll=2)
        return self.backups()[-1]

    def log_of_the_claim(self) -> str:
        """What fill-claim has said."""
        try:
            return self._world.prod.run("logs", POD, "-c", "fill-claim")
        except Refused:
            return ""

    def numbers(self) -> set[int]:
        """The numbers of the writers' tokens that are there."""
        return {int(each) for each in self._world.prod.sql(NUMBERS).split()}

    def lost(self, acknowledged: dict[int, float], killed: float) -> Lost:
        """What of a writer's acknowledged rows is missing after it was killed (epoch)."""
        there = self.numbers()
        missing = [at for number, at in acknowledged.items() if number not in there]
        return Lost(len(missing), killed - min(missing) if missing else 0.0)

    # --- doing ------------------------------------------------------------------------------------

    def restore(self, to: str) -> str:
        """Restore prod by the command, as a person does; returns what it said."""
        said = self._world.repo.ci("restore", "prod", "--to", to, "--push", stdin="prod\n")
        self._world.repo.pull()
        return said

    def kill(self) -> float:
        """Kill PostgreSQL and take its data; returns when (epoch)."""
        killed = time.time()
        with contextlib.suppress(Refused):  # the container ends with its server
            self._world.prod.run("exec", POD, "-c", "postgresql", "--", "bash", "-c", KILL)
        return killed

    def lose_the_volume(self) -> None:
        """Lose the volume that is served; the lines of docs/restore.md make an empty one."""
        claim = self.claim()
        for line in bootstrap.lines("A volume that is gone", PAGES / "restore.md")[:2]:
            self._world.type_line(line.replace("data-postgresql-0", claim))
        until("the new pod waits for a decision", self._waits_for_a_decision, within=150)
        said = "PostgreSQL waits for a decision"
        until(f"status says {said!r}", lambda: said in self.status(), within=60, poll=2)

    def _waits_for_a_decision(self) -> bool:
        return "Waiting for a commit: restore" in self.log_of_the_claim()


def _image() -> str:
    """The name of the database's image without a tag, as the overlays have it."""
    for line in (bootstrap.ROOT / IMAGE.format("prod")).read_text().splitlines():
        if "newName:" in line:
            return line.split("newName:")[1].split("#")[0].strip()
    raise AssertionError("prod's image of the database has no newName")
