"""The files that name every environment: what each says with one more, or with one fewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.platform.edits import tracked
from ci.platform.environments import texts
from ci.tree import carried, settings
from ci.tree.overlays import PARTS, namespace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ci.platform.edits import Edits

APPS, PROJECTS = "argocd/apps", "argocd/projects"
RIGHTS = "argocd/config/argocd-rbac-cm.yaml"
TEAR_DOWN = "docs/aws.md"
LIST = "kustomization.yaml"
_KEPT = "declare.validate/data: durable"


def applications(name: str) -> tuple[str, ...]:
    """The files of an environment's Applications, below argocd/apps."""
    return tuple(f"{part}-{name}.yaml" for part in PARTS)


def project(name: str) -> str:
    """The file of an environment's AppProject, below argocd/projects."""
    return f"{namespace(name)}.yaml"


def read(edits: Edits, name: str) -> str:
    """A file of the checkout, as the edits have left it."""
    return (edits.root / name).read_text(encoding="utf-8")


def keeps_data(name: str, root: Path) -> bool:
    """Whether an environment says that its database's data is to be kept."""
    folder = root / "overlays" / name / "postgres"
    return any(_KEPT in path.read_text(encoding="utf-8") for path in folder.rglob("*.yaml"))


def add(edits: Edits, name: str, like: str) -> None:
    """Name the environment in Argo CD's lists, and in its rights beside the one that it is like."""
    for folder, files in ((APPS, applications(name)), (PROJECTS, (project(name),))):
        text = read(edits, f"{folder}/{LIST}")
        for file in files:
            text = texts.listed(text, file)
        edits.write(f"{folder}/{LIST}", text.encode())
    edits.write(RIGHTS, texts.with_rights(read(edits, RIGHTS), like, name).encode())
    edits.write(TEAR_DOWN, texts.with_tear_down(read(edits, TEAR_DOWN), like, name).encode())


def remove(edits: Edits, name: str) -> None:
    """Undo `add`, and remove the files that it names."""
    for folder, files in ((APPS, applications(name)), (PROJECTS, (project(name),))):
        text = read(edits, f"{folder}/{LIST}")
        for file in files:
            text = texts.unlisted(text, file)
            edits.write(f"{folder}/{file}", None)
        edits.write(f"{folder}/{LIST}", text.encode())
    edits.write(RIGHTS, texts.without_rights(read(edits, RIGHTS), name).encode())
    edits.write(TEAR_DOWN, texts.without_tear_down(read(edits, TEAR_DOWN), name).encode())


def reorder(edits: Edits, order: tuple[str, ...]) -> settings.Settings:
    """Write the order of promotion, and the commands of pages that name every environment."""
    before = settings.read(edits.root)
    wanted = before._replace(environments=order)
    text = carried.edit_file(read(edits, settings.FILE), wanted)
    edits.write(settings.FILE, text.encode())
    reorder_pages(edits, before.environments, order)
    return wanted


def reorder_pages(edits: Edits, before: Sequence[str], after: Sequence[str]) -> None:
    """Write the commands of pages that name every environment: `make seal ENV='dev prod'`."""
    old, new = (f"ENV='{' '.join(names)}'" for names in (before, after))
    for page in pages(edits.root) if old != new else ():
        text = read(edits, page)
        if old in text:
            edits.write(page, text.replace(old, new).encode())


def pages(root: Path) -> Iterable[str]:
    """The pages with commands for every environment; the changelog says what was true once."""
    return (name for name in tracked(root, "argocd", "docs") if name.endswith(".md"))
