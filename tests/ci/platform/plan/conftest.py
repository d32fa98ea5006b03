"""A newcomer: a fork, an empty AWS account, GitHub, and no cluster yet."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.loaders import JSONFileLoader
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ci.platform.capacity.eksctl import load_cluster
from ci.platform.capacity.gather import CLUSTER
from tests.ci import verbs
from tests.ci.platform.plan.amazon import ACCOUNT, REGION, Amazon
from tests.ci.platform.plan.elsewhere import ArgoCD, Cluster, GitHub
from tests.ci.quick_aws import put_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each client of a new session reads AWS's description of its service, a third of a second for all
# that a check asks; they are files of the package, and nobody changes what was read.
_load_file = functools.cache(functools.partial(JSONFileLoader.load_file, JSONFileLoader()))
JSONFileLoader.load_file = lambda _loader, path: _load_file(path)

ROOT = Path(__file__).parents[4]
EXAMPLE = "example-org/coworking"
GITHUB = "your-org/coworking"
# As many as the tree describes; the tests of outages look at the second.
NODES = load_cluster(ROOT / CLUSTER).groups[0].desired
PERSON = ("-c", "user.name=Person", "-c", "user.email=person@example.org")
# Programs that this machine need not have; they say a version, and do nothing.
VERSIONS = {"eksctl": "0.220.0", "argocd": "argocd: v3.4.7+1a2b3c4", "kubectl": "v1.32.3"}


class Newcomer:
    """Who follows the plan, with everything that they meet.

    Attributes:
        tree: their clone.
        env: their shell's environment.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree, self.bare = folder / "tree", folder / "bare.git"
        self._fork()
        self.amazon, self.cluster, self.argocd = Amazon(), Cluster(), ArgoCD()
        # Another team's, which is on the first page of the answer.
        self.amazon.connections["another-team"] = {
            "ConnectionName": "another-team",
            "ConnectionArn": f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/0",
            "ProviderType": "GitHub",
            "OwnerAccountId": ACCOUNT,
            "ConnectionStatus": "AVAILABLE",
        }
        self.github = GitHub(self.bare, GITHUB)
        self.env = {
            "PATH": f"{self._programs()}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "AWS_ENDPOINT_URL": self.amazon.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "GITHUB_API_URL": self.github.url,
            "KUBECONFIG": str(folder / "kubeconfig"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def stop(self) -> None:
        """End all servers."""
        for one in (self.amazon, self.cluster, self.argocd, self.github):
            one.stop()

    def _fork(self) -> None:
        """A fork of what is in this checkout, pushed; and what GitHub's address leads to."""
        self.tree.mkdir()
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        )
        for name in listed.stdout.decode().split("\0"):
            if name and (ROOT / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name)
        (self.tree / ".venv").symlink_to(Path(sys.executable).parents[1])
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self.bare], check=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Person")
        self.git("config", "user.email", "person@example.org")
        self.git("config", f"url.file://{self.bare}.insteadOf", f"https://github.com/{GITHUB}.git")
        self.git("remote", "add", "origin", f"https://github.com/{GITHUB}.git")
        self.git("add", "--all")
        self.git("commit", "-q", "-m", "The fork")
        self.git("push", "-q", "--set-upstream", "origin", "main")

    def git(self, *words: str) -> str:
        """Run git in the clone."""
        command = ["git", *words]
        done = subprocess.run(command, cwd=self.tree, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _programs(self) -> Path:
        """Programs of the plan that can't do here what they do."""
        folder = self.folder / "bin"
        folder.mkdir()
        for name, said in VERSIONS.items():
            (folder / name).write_text(f"#!/bin/sh\necho '{said}'\n")
            (folder / name).chmod(0o755)
        put_aws(folder)
        return folder

    # --- asking -----------------------------------------------------------------------------------

    def check(self) -> tuple[int, dict[str, Any]]:
        """`ci plan --check` as a program reads it: its status, and the plan with the marks."""
        return self.plan("--check")

    def plan(self, *options: str) -> tuple[int, dict[str, Any]]:
        """`ci plan` as a program reads it."""
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name not in self.env]:
                patch.delenv(name)
            for name, value in self.env.items():
                patch.setenv(name, value)
            words = ("plan", "--format", "json", "--root", str(self.tree), *options)
            done = verbs.in_this_process(*words)
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)

    # --- doing ------------------------------------------------------------------------------------

    def run(self, command: str, stdin: str = "") -> str:
        """Run a command of the plan in the clone, as it is printed."""
        # The environment is there, whatever the copies' times say to make.
        line = command.replace("make ", "make --old-file=.venv/run.stamp ", 1)
        done = subprocess.run(
            ["sh", "-c", line if command.startswith("make ") else command],
            cwd=self.tree,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def commit_as_the_pipeline(self, environment: str, tag: str) -> None:
        """Write a tag to main on GitHub, as a write-back or a promotion does."""
        other = self.folder / "pipeline"
        shutil.rmtree(other, ignore_errors=True)
        subprocess.run(["git", "clone", "-q", self.bare, other], check=True)
        file = other / f"overlays/{environment}/coworking/image/kustomization.yaml"
        lines = [
            f'    newTag: "{tag}"' if "newTag:" in line else line
            for line in file.read_text().splitlines()
        ]
        file.write_text("\n".join(lines) + "\n")
        for words in (("commit", "-qam", f"deploy({environment})"), ("push", "-q")):
            subprocess.run(["git", *PERSON, *words], cwd=other, check=True)

    def lead_to_cluster(self) -> None:
        """What `eksctl create cluster` leaves: an EKS cluster, its nodes, and a kubeconfig."""
        from moto.eks.models import eks_backends  # noqa: PLC0415 - slow: see amazon.py

        where = {"subnetIds": ["subnet-1", "subnet-2"]}
        role = f"arn:aws:iam::{ACCOUNT}:role/cluster"
        eks = self.amazon.client("eks")
        eks.create_cluster(name="my-cluster", roleArn=role, resourcesVpcConfig=where)
        # moto makes an address up; EKS says the one that kubectl is led to.
        made = eks_backends[ACCOUNT][REGION].clusters["my-cluster"]
        made.endpoint = self.cluster.url
        self.cluster.kubeconfig(self.folder)
        for number in range(1, NODES + 1):
            self.add_node(f"ip-10-0-0-{number}.ec2.internal")

    def add_node(self, name: str, *, kept_mib: int = 575, ready: str = "True") -> None:
        """A t3.small as EKS's AL2023 shows it, with what the kubelet keeps back of its memory."""
        memory = 1940204

        self.cluster.put(
            "v1",
            "nodes",
            name,
            metadata={"labels": {"eks.amazonaws.com/nodegroup": "my-nodes"}},
            status={
                "capacity": {"cpu": "2", "memory": f"{memory}Ki", "pods": "110"},
                "allocatable": {
                    "cpu": "1930m",
                    "memory": f"{memory - kept_mib * 1024}Ki",
                    "pods": "110",
                },
                "conditions": [
                    {"type": "MemoryPressure", "status": "False"},
                    {"type": "Ready", "status": ready},
                ],
            },
        )


def certificate() -> bytes:
    """A sealing certificate as the controller makes its own."""
    key = rsa.generate_private_key(65537, 2048)
    now = datetime.now(UTC).replace(microsecond=0)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """A newcomer who has cloned the fork and done nothing else."""
    found = Newcomer(tmp_path)
    yield found
    found.stop()
