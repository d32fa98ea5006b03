"""Why a folder can't be built, which file of the tree says so, and what is made outside of git."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treecheck.beside import makes_more
from treecheck.blame import in_file
from treecheck.files import git_root, line_of
from treecheck.kustomize import plain_reason
from treecheck.model import as_list, as_text, show_path
from treecheck.partial import strings
from treecheck.placeholders import has_place, namespaces_in
from treecheck.rendering import closure, namespace_of, read_kustomization
from treecheck.sets import Unbuilt, show
from treecheck.written import mappings

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from treecheck.files import SourceFile
    from treecheck.model import FieldPath
    from treecheck.rendering import Kustomization
    from treecheck.sets import Inputs

# What kustomize says of a file that is not there, and of one that it may not read.
_GONE = re.compile(r"evalsymlink failure on '([^']+)'|\bopen (/[^'\n]+?): no such file")
_NONE_IN = re.compile(r"unable to find one of 'kustomization\.yaml'.* in directory '([^']+)'")
_OUTSIDE = re.compile(r"security; file '([^']+)' is not in or below '([^']+)'")
_UNKNOWN = re.compile(r"unknown field \\?\"([\w-]+)")
_HEAD = {("apiVersion",), ("kind",), ("metadata",)}  # of each kustomization
_WAY = re.compile(r"in path '([^']+)': ")
TIMEOUT = 20  # seconds
FILLED = "its files are templates"
# Folders of what people copy, and what a copy names is not there.
_COPIED = frozenset({"skeleton", "skeletons", "template", "templates", "tmpl"})


def made_elsewhere(message: str) -> Path | None:
    """The file without which a folder can't be built, where .gitignore names it; else None.

    Somebody makes it in each checkout: a person by the README, or a make target. Whether it is
    right can't be known.
    """
    bare = _NONE_IN.search(message)
    if bare is not None:
        return made_in(Path(bare[1]))
    path = Path(_gone(message))
    if not path.is_absolute():
        return None
    made = path.name.endswith(".clusterserviceversion.yaml")  # by `operator-sdk generate`
    return path if not path.exists() and (made or _is_ignored(path)) else None


def lacks_file(message: str) -> bool:
    """Whether kustomize misses a file or folder of the tree, which no remote base brings."""
    return bool(_gone(message)) or _NONE_IN.search(message) is not None


def _gone(message: str) -> str:
    """The path that kustomize finds nothing at, or ""."""
    found = _GONE.search(message)
    return (found[1] or found[2]) if found else ""


def made_in(folder: Path) -> Path | None:
    """The kustomization that a folder lacks, where .gitignore names it; else None."""
    path = folder / "kustomization.yaml"
    return path if folder.is_dir() and _is_ignored(path) else None


def _is_ignored(path: Path) -> bool:
    """Whether git ignores a path: https://git-scm.com/docs/git-check-ignore.

    A tree without git's own folder, such as an archive of one, still has its .gitignore: git reads
    that beside an empty repository.
    """
    asked = ["check-ignore", "-q", "--no-index", str(path)]
    if own := git_root(next(folder for folder in path.parents if folder.is_dir())):
        return _git(["-C", str(own), *asked]) == 0
    above = [folder for folder in path.parents if (folder / ".gitignore").is_file()]
    if not above:
        return False
    with tempfile.TemporaryDirectory() as empty:
        work = ["-C", str(above[-1]), f"--git-dir={empty}/.git", f"--work-tree={above[-1]}"]
        return _git(["init", "-q", empty]) == 0 and _git([*work, *asked]) == 0


def _git(words: list[str]) -> int:
    """How git ends; without git, nothing says that a file is ignored."""
    try:
        done = subprocess.run(
            ["git", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return -1
    return done.returncode


def unbuilt(folder: Path, message: str, root: Path) -> Unbuilt:
    """Why kustomize refuses a folder, blamed on the kustomization that names what is wrong."""
    name = show(folder, root)
    gone, outside = _gone(message), _OUTSIDE.search(message)
    path = Path(gone or (outside[1] if outside else ""))
    at = _naming(folder, path) if path.is_absolute() else None
    if at is None:
        return _misread(folder, message, root) or Unbuilt(
            [name], plain_reason(message, folder), None
        )
    kustomization, text = at
    own = kustomization.folder == folder.resolve()
    who = "it" if own else show(kustomization.file, root)
    why = f"names {text}, which is not there" if gone else f"reads {text}, outside of its folder"
    return Unbuilt([name], f"{who} {why}", kustomization.file, line_of(kustomization.file, text))


def _misread(folder: Path, message: str, root: Path) -> Unbuilt | None:
    """Why a folder can't be built, where kustomize does not know a field of one of its files.

    Kustomize names the folder at most. The field is in a file of `configurations`, if one there
    has it, or in the kustomization itself.
    """
    found, way = _UNKNOWN.search(message), _WAY.search(message)
    kustomization = read_kustomization(Path(way[1]) if way else folder)
    if found is None or kustomization is None:
        return None
    key, own = found[1], kustomization.file
    settings = [as_text(each) for each in as_list(kustomization.body.get("configurations"))]
    files = [kustomization.folder / each for each in settings if each]
    for file in [own] if "invalid Kustomization" in message else [*files, own]:
        places = [
            place
            for body in (mappings(file) if file.is_file() else ())
            for place in _places(body, key)
            if file != own or place not in _HEAD
        ]
        if places:
            field = show_path(places[0])
            why = f"{show(file, root)} has a field {field}, which kustomize does not know there"
            _, line = in_file(file, places[0], mappings(file)[0])
            return Unbuilt([show(folder, root)], why, file, line)
    return None


def _places(value: Any, key: str) -> Iterator[FieldPath]:
    """Where a key is in a value, the outermost first."""
    inner: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
        if key in value:
            yield (key,)
    elif isinstance(value, list):
        inner = enumerate(value)
    for step, each in inner:
        yield from ((step, *place) for place in _places(each, key))


def tell_failures(
    inputs: Inputs,
    failed: dict[Path, str],
    excuse: Callable[[Path], str],
    aided: Mapping[Path, str],
    deployed: Container[Path],
) -> None:
    """Take down the folders that can't be built, those with the same fault together.

    `failed` is each folder with kustomize's message; of those with an excuse (examples, templates,
    and what is no longer deployed) nobody needs to hear it. To those in `aided` Flux adds more
    first. An empty one, or a template, that nothing deploys waits for what somebody puts there.
    """
    _tell_aided(inputs, aided)
    told: dict[str, Unbuilt] = {}
    made: dict[Path, list[str]] = {}
    for folder, message in failed.items():
        name = show(folder, inputs.root)
        inputs.failed.append(name)
        places = filter(None, [namespace_of(folder)])
        inputs.miss(f"{name} can't be built", [*places], folder=folder)
        copied = is_empty(message, folder) or not _COPIED.isdisjoint(name.split("/"))
        waits = "nothing deploys it" if copied and folder not in deployed else ""
        if why := _excused(excuse(folder), message) or waits:
            inputs.notes.append(f"{name} can't be built, and {why}")
            continue
        if ({each.folder for each in closure(folder)} - {folder}) & set(failed):
            continue  # that one says where the mistake is
        aid = f"Flux builds {name} with components, so it is not known here"
        if why := aid if folder in aided else unfilled(message, name):
            inputs.unknown.append(why)
            continue
        if file := made_elsewhere(message):
            made.setdefault(file, []).append(name)
            continue
        one = unbuilt(folder, message, inputs.root)
        if (known := told.setdefault(one.why, one)) is not one:
            known.folders.append(name)
    inputs.unbuilt += told.values()
    inputs.unknown += [not_in_git(file, names[0], inputs.root) for file, names in made.items()]


def tell_templates(
    inputs: Inputs,
    unfilled: Mapping[Path, tuple[SourceFile, str]],
    used: Container[Path],
    is_applied: Callable[[Path], bool],
) -> None:
    """Take down the files that another program fills in first, a sentence for each folder.

    `unfilled` is each file with what it is. One that `is_applied` is read as it is.
    """
    folders: dict[tuple[Path, str], list[Path]] = {}
    for path, (source, why) in unfilled.items():
        if is_applied(path):
            inputs.files[path] = source
            continue
        folders.setdefault((path.parent, why), []).append(path)
        if path not in used and makes_more(source):
            inputs.miss(f"{show(path, inputs.root)} is {why}", namespaces_in(source.text))
    for (_, why), paths in folders.items():
        more = f" and {len(paths) - 1} more there are each" if len(paths) > 1 else " is"
        inputs.unknown.append(
            f"{show(paths[0], inputs.root)}{more} {why}, so what it makes can't be known"
        )


def _excused(why: str, message: str) -> str:
    """An excuse, unless it is of templates and something that the folder names is not there."""
    gone = any(each.search(message) for each in (_GONE, _NONE_IN, _OUTSIDE))
    return "" if why == FILLED and gone else why


def is_empty(message: str, folder: Path) -> bool:
    """Whether kustomize refuses a folder only because its own kustomization lists nothing."""
    return plain_reason(message, folder) == "the kustomization is empty"


def _tell_aided(inputs: Inputs, aided: Mapping[Path, str]) -> None:
    """Take down the folders, each with its namespace, to which Flux adds components."""
    for folder, place in aided.items():
        why = f"Flux adds components to {show(folder, inputs.root)}"
        inputs.miss(why, [place] if place and "$" not in place else (), folder=folder)


def not_in_git(file: Path, name: str, root: Path) -> str:
    """A sentence for the summary about a file that each checkout makes."""
    return (
        f"{show(file, root)} is made outside of git (.gitignore or its name says so), so what "
        f"{name} brings can't be known"
    )


def unfilled(message: str, name: str) -> str:
    """Why it can't be known what a folder brings that names a file of a template, or ""."""
    gone = _gone(message)
    if not has_place(gone):
        return ""
    return (
        f"{name} names {Path(gone).name}, which another program fills in, so what it brings "
        "can't be known"
    )


def _naming(folder: Path, path: Path) -> tuple[Kustomization, str] | None:
    """The kustomization below a folder that names a path, and how it writes it."""
    for each in closure(folder):
        for text in strings(each.body):
            if "\n" not in text and len(text) < 1024 and (each.folder / text).resolve() == path:
                return each, text
    return None
