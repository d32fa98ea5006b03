"""The cluster is gone: prod comes back from git, the sealing keys' backup and the bucket alone.

The lines of docs/restore.md are typed in a fresh clone, except those that ask AWS for a cluster
and a role, and for the login of the `argocd` command. An emptied cluster stands for the new one.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness import bootstrap
from tests.e2e.harness.cluster import until
from tests.e2e.harness.emptiness import leftovers
from tests.e2e.harness.prod_backups import PAGES
from tests.e2e.harness.s3 import BUCKET, NAME, SECRET
from tests.e2e.harness.upstream import Upstream
from tests.e2e.harness.witnesses import writer

if TYPE_CHECKING:
    from tests.e2e.harness.prod_backups import ProdBackups
    from tests.e2e.harness.world import World

pytestmark = pytest.mark.long
RPO = 60.0  # seconds
HEADING = "A cluster that is gone"
NOT_TYPED = re.compile(
    r"eksctl |aws eks |aws cloudformation |argocd admin |kubectl .* port-forward"
)
GITCONFIG = """\
[user]
name = End to end
email = e2e@example.com
[credential]
helper = "{}"
"""
THEIRS = "https://github.com/example-org/coworking.git"
BUCKET_OF_THE_PAGE = "coworking-backups-123456789012"


class Person:
    """Somebody with a home, a clone of git in it, and no cluster but the one that is new."""

    def __init__(self, world: World, backups: ProdBackups) -> None:
        self._world, self._backups = world, backups
        self.home = world.scratch / "home"
        self.home.mkdir()
        # The S3's own certificate authority has its file in the suite's folder.
        self._beside = world.scratch / "upstream"
        self._beside.mkdir()
        self.clone = self.home / "coworking"
        user, token = world.settings.git_user, world.settings.git_token
        (self.home / ".gitconfig").write_text(
            GITCONFIG.format(f"!f() {{ echo username={user}; echo password={token}; }}; f")
        )

    def type(self, line: str, **variables: str) -> str:
        """Type a line; the names of the page's own fork are those of this one."""
        line = line.replace(THEIRS, f"{self._world.settings.git_url} {self.clone.name}")
        line = line.replace(BUCKET_OF_THE_PAGE, BUCKET)
        programs = Path(sys.executable).parent
        own = {
            "HOME": str(self.home),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": f"https://{self._backups.s3.host}",
            "AWS_CA_BUNDLE": str(self._backups.s3.authority.file),
            "AWS_ACCESS_KEY_ID": NAME,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "PYTHONPATH": f"{self.clone}:{self.clone / 'treecheck'}",
            **self._world.repo.variables,
        }
        folder = self.clone if self.clone.exists() else self.home
        return bootstrap.type_line(line, folder, own | variables)

    def follow(self, line: str) -> None:
        """Do what a line of the page says, and wait for what a person would wait for."""
        world = self._world
        if line.startswith("argocd login "):
            world.access.log_in()
            world.repo.use(world.access)
        elif line.startswith("python -m ci status"):
            # Its exit status says whether all is well.
            said = ("restore, or start",) if line.endswith("prod") else ("dev: well", "prod: well")
            until(f"status says {said}", lambda: self._says(line, said), within=240, poll=2)
        elif line.startswith("python -m ci restore"):
            self.type(f"echo prod | {line}")
        elif NOT_TYPED.match(line):
            return
        else:
            with Upstream(world.settings.upstream, self._beside) as upstream:
                self.type(line, **upstream.variables(*world.direct()))
        world.figure(f"          restore.md: {line}")

    def _says(self, line: str, all_of: tuple[str, ...]) -> bool:
        said = " ".join(self.type(f"{line} || true").split())
        return all(words in said for words in all_of)


@pytest.mark.timeout(1500, func_only=True)
def test_26_prod_comes_back_on_a_new_cluster_by_the_page_s_lines(
    world: World, backups: ProdBackups
) -> None:
    person = Person(world, backups)
    world.repo.pull()
    world.repo.ci("sealing-key", "backup", str(person.home / "sealing-keys.json"))
    before = world.repo.head
    with writer(world, 900_000) as writing:
        time.sleep(40)  # the log before is archived, as in any prod that runs
        killed = backups.kill()
        acknowledged = writing.acknowledged(killed)
    world.reset()
    assert leftovers() == []

    began = time.monotonic()
    for line in bootstrap.lines(HEADING, PAGES / "restore.md"):
        person.follow(line)
    seconds = time.monotonic() - began

    lost = backups.lost(acknowledged, killed)
    world.figure(
        f"{seconds:6.1f} s  from an empty cluster to a prod that serves its backup;"
        f" {lost.seconds:.1f} s of acknowledged writes lost ({lost.rows} of {len(acknowledged)})"
    )
    assert lost.seconds <= RPO
    world.repo.pull()
    changed = world.repo.git("diff", "--name-only", before, "HEAD").splitlines()
    assert all(each.startswith("overlays/prod/postgres/") for each in changed), changed


def test_26_prod_answers_as_before(world: World, backups: ProdBackups) -> None:
    world.start_client()

    assert world.get("prod", "/readiness_check") == "ok"
    assert backups.sql("SELECT count(*) > 0 FROM pg_stat_archiver WHERE archived_count > 0") == "t"
