"""`ci plan --check` beside the deployment: asked after each line of bootstrap.md, on this cluster.

The cluster, sealed-secrets and Argo CD are the real ones. AWS and GitHub are the stand-ins of
tests/ci/platform/plan: moto, and GitHub's API over what the git server has. A view of the copy
tells the plan what the throw-away environment can't have: a repository on GitHub, moto's account,
and as many nodes as there are.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.eks.models import eks_backends
from moto.elb.models import elb_backends

from tests.ci.platform.plan.amazon import ACCOUNT, REGION, Amazon
from tests.ci.platform.plan.elsewhere import TOKEN, GitHub

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.harness.world import World

GITHUB = "your-org/coworking"
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "x"}
# Programs that this machine need not have, and what they say.
VERSIONS = {"eksctl": "0.220.0", "argocd": "argocd: v3.4.7"}
# Which step of the plan a line of bootstrap.md ends.
ENDS = {
    "argocd": re.compile(r"kubectl apply .*-k argocd/start"),
    "seal": re.compile(r"make seal "),
    "push": re.compile(r"git push"),
    "hand-over": re.compile(r"kubectl apply -k argocd$"),
}


class ShownByGitHub(GitHub):
    """What the git server has, under an address on GitHub.

    `settings.yaml` is shown as the plan's view has it, if the copy's own is what was pushed.
    """

    def __init__(self, bare: Path, tree: Path, view: Path) -> None:
        super().__init__(bare, GITHUB)
        self._tree, self._view = tree, view

    def _show(self, ref: str, file: str) -> bytes | None:
        found = super()._show(ref, file)
        if file == "settings.yaml" and found == (self._tree / file).read_bytes():
            return (self._view / file).read_bytes()
        return found


class Plan:
    """The plan, and what its check said after each line.

    Attributes:
        seen: a line of bootstrap.md, or a step's name, with every step's mark after it.
        seconds: what the checks after the lines have taken.
        failure: what went wrong meanwhile.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._folder = world.scratch / "plan"
        self._view, self._bare = self._folder / "view", self._folder / "bare.git"
        self._follows = False
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.seconds = 0.0
        self.failure: Exception | None = None
        self.amazon = Amazon()
        self.github = ShownByGitHub(self._bare, world.repo.folder, self._view)

    def close(self) -> None:
        """End AWS and GitHub."""
        self.amazon.stop()
        self.github.stop()

    def _look_at(self, tree: Path) -> None:
        """The copy, with an address on GitHub, moto's account and one node for each group."""
        self._view.mkdir(parents=True)
        for path in tree.iterdir():
            if path.name not in (".git", "settings.yaml", "infra"):
                (self._view / path.name).symlink_to(path)
        shutil.copytree(tree / "infra", self._view / "infra")
        text = (tree / "settings.yaml").read_text()
        text = re.sub(r"(?m)^git_url: \S+", f"git_url: https://github.com/{GITHUB}.git", text)
        text = re.sub(r'(?m)^account: "\d+"', f'account: "{ACCOUNT}"', text)
        (self._view / "settings.yaml").write_text(text)
        cluster = self._view / "infra/eksctl/cluster.yaml"
        one = re.sub(r"desiredCapacity: \d+", "desiredCapacity: 1", cluster.read_text())
        cluster.write_text(one)
        (self._folder / "bin").mkdir()
        for name, said in VERSIONS.items():
            (self._folder / "bin" / name).write_text(f"#!/bin/sh\necho '{said}'\n")
            (self._folder / "bin" / name).chmod(0o755)

    @property
    def _env(self) -> dict[str, str]:
        aws = Path(sys.executable).parent
        logged_in = self._world.repo.variables  # empty before the login
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(("ARGOCD_", "GIT_"))},
            **{k: v for k, v in logged_in.items() if k.startswith("ARGOCD_")},
            **KEYS,
            "PATH": f"{self._folder / 'bin'}:{aws}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "AWS_ENDPOINT_URL": self.amazon.url,
            "AWS_DEFAULT_REGION": REGION,
            "GITHUB_API_URL": self.github.url,
            "GIT_TOKEN": TOKEN,
        }

    def check(self) -> tuple[int, dict[str, Any]]:
        """The exit status of `ci plan --check`, and the plan with the marks."""
        words = ("plan", "--check", "--format", "json", "--root", str(self._view))
        fetch = ["git", "fetch", "-q", "--force", self._world.settings.git_url, "main:main"]
        subprocess.run(fetch, cwd=self._bare, check=True, timeout=60)
        done = subprocess.run(
            [sys.executable, "-m", "ci", *words],
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.stderr == "", done.stderr
        return done.returncode, json.loads(done.stdout)

    def marks(self) -> dict[str, str]:
        """Each step's mark."""
        return {step["name"]: step["mark"] for step in self.check()[1]["steps"]}

    def note(self, what: str) -> None:
        """Keep every step's mark, under a name."""
        self.seen.append((what, self.marks()))

    # --- what comes before and after bootstrap.md -------------------------------------------------

    def begin(self) -> None:
        """The steps before the first line, by the commands that the plan prints."""
        self._apart(self._begin)

    def _apart(self, what: Callable[[], None]) -> None:
        """Do something for test_12_plan alone: the other scenarios go on when it fails."""
        if self.failure is None:
            try:
                what()
            except Exception as failure:  # noqa: BLE001 - test_12_plan raises it
                self.failure = failure

    def _begin(self) -> None:
        self._look_at(self._world.repo.folder)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self._bare], check=True)
        self._follows = True
        self.note("nothing")
        self._do("connection")
        self.amazon.complete_connection("coworking")
        self.note("connection")
        self._do("stack")
        (self._view / "git-token.txt").write_text(TOKEN)
        self._do("token")
        eks = self.amazon.client("eks")
        role = f"arn:aws:iam::{ACCOUNT}:role/cluster"
        eks.create_cluster(name="my-cluster", roleArn=role, resourcesVpcConfig={"subnetIds": []})
        config = ("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
        server = self._world.all.run(*config)
        eks_backends[ACCOUNT][REGION].clusters["my-cluster"].endpoint = server
        self.note("cluster")

    def _do(self, name: str) -> None:
        """Run the commands of a step as they are printed."""
        step = next(one for one in self.check()[1]["steps"] if one["name"] == name)
        for action in step["actions"]:
            if action["kind"] == "command":
                done = subprocess.run(
                    ["sh", "-c", action["text"]],
                    cwd=self._view,
                    env=self._env,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=300,
                )
                assert done.returncode == 0, f"{action['text']}\n{done.stdout}{done.stderr}"

    def after_line(self, line: str) -> None:
        """Keep the marks after a line that ends a step, in the suite's own deployment."""
        if self._follows and any(begins.match(line) for begins in ENDS.values()):
            began = time.monotonic()
            self._apart(lambda: self.note(line))
            self.seconds += time.monotonic() - began

    def end(self) -> None:
        """The deployment is done: lines that are typed again are not followed."""
        self._follows = False

    def make_balancer(self, address: str) -> None:
        """What AWS makes for prod's Service; the throw-away cluster's address is not a name."""
        listeners = [{"Protocol": "tcp", "LoadBalancerPort": 5153, "InstancePort": 30153}]
        self.amazon.client("elb").create_load_balancer(
            LoadBalancerName="prod",
            Listeners=listeners,
            AvailabilityZones=["us-east-1a"],
            Scheme="internal",
        )
        elb_backends[ACCOUNT][REGION].load_balancers["prod"].dns_name = address
