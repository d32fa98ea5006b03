"""docs/grow.md as a person follows it: its files in the copy, its lines in a shell with move.sh.

What is the person's own is replaced, as the page says: the hosts, and the VPC's range of addresses.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from tests.e2e.harness import bootstrap
from tests.e2e.harness.cluster import until
from tests.e2e.harness.outside import HOST
from tests.postgres.move_page import PAGE, block, blocks

if TYPE_CHECKING:
    from tests.e2e.harness.outside import OutsideDatabase
    from tests.e2e.harness.world import World

VPC = "192.168.0.0/16"  # the page's
NETWORK = "10.192.0.0/10"  # the throw-away cluster's pods and load balancers
SERVER = "overlays/prod/postgres/server/kustomization.yaml"
BALANCER = "postgresql-move"


class Move:
    """The page's files and lines, for the move of prod's database to an empty one outside."""

    def __init__(self, world: World, database: OutsideDatabase) -> None:
        self._world = world
        self._folder = world.scratch / "move"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        (self._folder / "new.pgpass").write_text(f"*:*:*:*:{database.password}\n")
        self._commit = ""

    def type(self, lines: str) -> str:
        """Type lines of the page; returns what they printed.

        Raises:
            AssertionError: one of them failed.
        """
        read = "set -eo pipefail\n[ ! -e move.sh ] || . ./move.sh\n"
        return bootstrap.type_line(f"{read}{lines}", self._folder, {})

    def type_block(self, beginning: str) -> str:
        """Type the page's block that begins so."""
        return self.type(block(beginning))

    def publish(self) -> None:
        """Merge the page's folder, and write move.sh once the balancer has an address."""
        repo = self._world.repo
        repo.pull()
        folder = repo.folder / SERVER.replace("server/", "moving/")
        folder.parent.mkdir(exist_ok=True)
        component, network = blocks("yaml")
        folder.write_text(component)
        folder.with_name("network.yaml").write_text(network.replace(VPC, NETWORK))
        (line,) = re.findall(r"Add `(components: .*?)` to `(.*?)`", PAGE.read_text("utf-8"))
        assert line[1] == SERVER
        with (repo.folder / SERVER).open("a") as file:
            file.write(f"{line[0]}\n")
        self._commit = repo.commit("Let the old database publish")
        repo.push()
        self._world.settle("postgres-prod", commit=self._commit)
        self._write_settings(until("the balancer has an address", self._address, within=60))

    def _address(self) -> str:
        status = self._world.prod.get("service", BALANCER)["status"]
        ingress = status["loadBalancer"].get("ingress") or [{}]
        return str(ingress[0].get("ip", ""))

    def _write_settings(self, address: str) -> None:
        lines = block("NAMESPACE=")
        for name, value in {"NEW_HOST": HOST, "OLD_HOST": address}.items():
            lines, count = re.subn(rf"(?m)^{name}=\S+", f"{name}={value}", lines)
            assert count == 1, name
        (self._folder / "move.sh").write_text(lines + block("# SQL as"))

    def revert(self) -> None:
        """Revert the commit of the page's folder, and merge that."""
        repo = self._world.repo
        repo.pull()
        repo.git("revert", "--no-edit", self._commit)
        repo.push()
        until("Argo CD has seen it", self._is_seen, within=60)

    def _is_seen(self) -> bool:
        app = self._world.app("postgres-prod")
        return app.revision == self._world.repo.head and not app.busy
