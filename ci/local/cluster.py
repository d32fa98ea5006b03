"""`make cluster`: Kubernetes, a registry, Argo CD and sealed-secrets on a laptop, by kind.

It shows every command that it runs. Continuous integration does not run it (it needs Docker and the
internet); the tests read `--dry-run`.
"""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, NamedTuple

import click
import yaml

from ci.run import run
from ci.tree import overlays, settings
from ci.tree.images import SERVICE_IMAGE
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME = overlays.SERVICE
NODE = f"{NAME}-control-plane"
# kind's image of each version that settings.yaml takes (kind v0.30.0 and v0.31.0's release notes).
NODE_IMAGES = {
    "1.32": "kindest/node:v1.32.8",
    "1.33": "kindest/node:v1.33.4",
    "1.34": "kindest/node:v1.34.0",
    "1.35": "kindest/node:v1.35.0",
}
REGISTRY = f"{NAME}-registry"
REGISTRY_IMAGE = "registry:2.8.3"
REGISTRY_PORT = 5001
PATIENCE = 900.0  # seconds; the first time, images are pulled

# containerd looks into this folder for where to ask for a registry's images instead
# (https://kind.sigs.k8s.io/docs/user/local-registry/).
KIND_CONFIG = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
    image: {image}
containerdConfigPatches:
  - |-
    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "/etc/containerd/certs.d"
"""
# Volumes of the name that prod's database asks for, as folders of the node.
STORAGE_CLASS = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: gp3
provisioner: rancher.io/local-path
reclaimPolicy: Retain
volumeBindingMode: WaitForFirstConsumer
"""
# kind's kubelets have certificates of their own making.
TRUST_KUBELETS = (
    '[{"op": "add", "path": "/spec/template/spec/containers/0/args/-",'
    ' "value": "--kubelet-insecure-tls"}]'
)


class Command(NamedTuple):
    """A command, what it reads, and why."""

    why: str
    words: list[str]
    stdin: str = ""


def _kubectl(*words: str) -> list[str]:
    return ["kubectl", f"--context=kind-{NAME}", *words]


def _apply(folder: str, *options: str) -> list[str]:
    return _kubectl("apply", "--server-side", "--force-conflicts", *options, "-k", folder)


def _wait(namespace: str, workload: str) -> list[str]:
    return _kubectl("-n", namespace, "rollout", "status", workload, "--timeout=600s")


def image_tag(root: Path) -> str:
    """The tag that the first environment runs."""
    path = root / SERVICE_IMAGE.overlay_folder(overlays.first(root)) / "kustomization.yaml"
    return str(yaml.safe_load(path.read_text(encoding="utf-8"))["images"][0]["newTag"])


def commands(root: Path) -> list[Command]:
    """All that makes the cluster, in order; run from the repository's root."""
    return [*_machines(root), *_software()]


def _machines(root: Path) -> list[Command]:
    """A node and a registry, with the image that dev runs."""
    values = settings.read(root)
    folder = f"/etc/containerd/certs.d/{values.registry}"
    image = f"localhost:{REGISTRY_PORT}/{values.repository}:{image_tag(root)}"
    node = KIND_CONFIG.format(image=NODE_IMAGES[values.kubernetes])
    publish = f"127.0.0.1:{REGISTRY_PORT}:5000"
    return [
        Command("Kubernetes", ["kind", "create", "cluster", f"--name={NAME}", "--config=-"], node),
        Command(
            "a registry",
            [
                "docker",
                "run",
                "--detach",
                f"--name={REGISTRY}",
                f"--publish={publish}",
                REGISTRY_IMAGE,
            ],
        ),
        Command("which the node reaches", ["docker", "network", "connect", "kind", REGISTRY]),
        Command("and asks for our images", ["docker", "exec", NODE, "mkdir", "-p", folder]),
        Command(
            "instead of ECR",
            ["docker", "exec", "--interactive", NODE, "cp", "/dev/stdin", f"{folder}/hosts.toml"],
            f'[host."http://{REGISTRY}:5000"]\n',
        ),
        Command(
            "the image that dev runs",
            ["docker", "build", f"--tag={image}", overlays.SERVICE_SOURCE],
        ),
        Command("into the registry", ["docker", "push", image]),
    ]


def _software() -> list[Command]:
    """What the cluster needs before the root Application."""
    return [
        Command("volumes for prod", _kubectl("apply", "--filename=-"), STORAGE_CLASS),
        Command("metrics", _apply("argocd/addons/metrics-server")),
        Command(
            "metrics of kind's kubelets",
            _kubectl(
                *("-n", "kube-system", "patch", "deployment", "metrics-server"),
                *("--type=json", f"--patch={TRUST_KUBELETS}"),
            ),
        ),
        Command("sealed-secrets", _apply("argocd/addons/sealed-secrets")),
        Command("Argo CD's settings", _apply("argocd/config", "--field-manager=coworking")),
        Command("Argo CD", _apply("argocd/install")),
        Command("wait", _wait("kube-system", "deployment/sealed-secrets-controller")),
        Command("wait", _wait("argocd", "deployment/argocd-server")),
        Command("what each part may do", _apply("argocd/projects")),
    ]


def removal() -> list[Command]:
    """The commands that remove the cluster."""
    return [
        Command("the cluster", ["kind", "delete", "cluster", f"--name={NAME}"]),
        Command("the registry", ["docker", "rm", "--force", REGISTRY]),
    ]


AFTERWARDS = """\
The cluster is there; what is left is yours, since git must be able to say it:
  export KUBECONFIG=$(mktemp) && kind export kubeconfig --name={name}
  make seal ENV='{environments}' ARGS=--fetch
  git commit -a -m "Seal for this cluster" && git push      # to the git_url of settings.yaml
  kubectl apply -f argocd/apps/root.yaml
  kubectl -n argocd get applications --watch
coworking-{last} stays Progressing: kind gives a LoadBalancer no address (cloud-provider-kind does).
All of it goes with: make cluster ARGS=--delete"""


def afterwards(environments: Sequence[str]) -> str:
    """What a person does with the new cluster; the environments in the order of promotion."""
    names = " ".join(environments)
    return AFTERWARDS.format(name=NAME, environments=names, last=environments[-1])


@click.command(help="Make a cluster on this machine with kind and Docker; needs the internet.")
@click.option("--dry-run", is_flag=True, help="Show the commands only.")
@click.option("--delete", is_flag=True, help="Remove the cluster and its registry.")
@overlays.root_option
def command(dry_run: bool, delete: bool, root: Path) -> None:
    for command in removal() if delete else commands(root):
        click.echo(show(command))
        if not dry_run:
            began = time.monotonic()
            _run(command, root)
            click.echo(f"# took {time.monotonic() - began:.0f} s")
    if not delete:
        click.echo(afterwards(overlays.environments(root)))


def show(command: Command) -> str:
    """A command as one could type it."""
    line = f"# {command.why}\n$ {shlex.join(command.words)}"
    return f"{line} <<'EOF'\n{command.stdin}EOF" if command.stdin else line


def _run(command: Command, root: Path) -> None:
    program, *words = command.words
    path = str(kubectl()) if program == "kubectl" else program
    run([path, *words], cwd=root, stdin=command.stdin, timeout=PATIENCE)
