"""What a repository's pages, scripts and other files say about a file of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from treecheck.errors import InputError
from treecheck.files import SKIPPED_FOLDERS, kustomization_file, load_text
from treecheck.model import as_mapping, as_text, at
from treecheck.reading import read_documents
from treecheck.sets import show
from treecheck.terraform import SUFFIXES, managed, objects, provisioned
from treecheck.unseen import Unseen

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from treecheck.files import SourceFile
    from treecheck.model import Manifest, Resource
    from treecheck.sets import Inputs

PAGES = frozenset({".adoc", ".md", ".rst"})
SCRIPTS = PAGES | frozenset({".mk", ".ps1", ".sh", ".just", ".tf", ".tofu", ".toml"})
SCRIPT_NAMES = frozenset(
    {"helmfile.yaml.gotmpl", "Makefile", "justfile", "Justfile", ".justfile"}
    | {"Taskfile.yaml", "Taskfile.yml"}
)
FORMS = frozenset({".dist", ".example", ".sample", ".template", ".tpl"})
# What programs keep in a checkout: none of it is the repository's own text.
_KEPT = SKIPPED_FOLDERS | {".git", ".nox", ".terraform", ".tox"}
_HISTORY = re.compile(r"(?:change-?log|changes|history|news|releases?)\.\w+\Z", re.IGNORECASE)
PROGRAMS = frozenset({".cs", ".go", ".java", ".js", ".kt", ".py", ".rb", ".rs", ".ts"})
LEVELS = 8  # folders, its own included, whose kustomizations may name a file
LARGEST = 200_000  # bytes of a page or script
# `helm upgrade --install web ./chart -n shop`, and its namespace.
_HELM = re.compile(r"\bhelm\b[^\n]*?\b(?:install|upgrade)\b[^\n]*")
_NAMESPACE = re.compile(r"(?:\s-n|--namespace)[ =]+[\"']?([a-z0-9-]+|\$\{?\w+\}?)(?=[\s\"'`]|$)")
# `NAMESPACE="shop"`
_ASSIGNED = re.compile(
    r"^[ \t]*(?:export |readonly )?(\w+)=[\"']?([a-z0-9-]+)[\"']?\s*$", re.MULTILINE
)
# `NAME="${SECRET_NAME:-web}"`
_DEFAULTED = re.compile(
    r"^[ \t]*(?:export |readonly )?(\w+)=\"?\$\{\w+:-([a-z0-9-]+)\}", re.MULTILINE
)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
# `kubectl create secret generic web`, and `"${cmd_create}" secret generic web`
_CREATE = re.compile(
    r"(?:\bkubectl\b[^\n]*?\bcreate|\$\{?\w*(?:create|CREATE)\w*\}?\"?)"
    r" +(secret|configmap|serviceaccount)"
    r"(?: +(?:generic|tls|docker-registry))?(?: +-\S+ +\S+)* +[\"']?([a-z0-9][a-z0-9.-]*)"
)
# `kubectl -n shop get secrets web`, and `secrets/web`
_SHOWN = re.compile(
    r"\bkubectl\b[^\n]*?\b(?:describe|edit|get|patch) +(secret|configmap)s?"
    r"(?:(?: +-\S+ +\S+)* +|/)([a-z0-9][a-z0-9.-]*)"
)
# `a Secret named web`, in a page
_DEPLOY = re.compile(
    r"\b(secret|configmap|serviceaccount)[\"'`*]* (?:resource )?(?:named|called) [\"'`*]*"
    r"([a-z0-9][a-z0-9.-]*[a-z0-9])",
    re.IGNORECASE,
)
# "the `web` Docker registry secret", "image pull secret: `web`"
_QUOTED = re.compile(
    r"`([a-z0-9][a-z0-9.-]*[a-z0-9])`(?: [\w-]+){0,2} (secret|configmap|serviceaccount)\b"
    r"|\b(secret|configmap|serviceaccount):? `([a-z0-9][a-z0-9.-]*[a-z0-9])`",
    re.IGNORECASE,
)
# `envsubst`, `templatefile("a.yaml", {…})` of Terraform, and what a script of bash does in its
# place: `${!name}`, `eval "cat <<EOF …`
_SUBSTITUTES = re.compile(r"envsubst|\btemplatefile\(|\$\{!\w+\}|\beval [\"']?(?:cat|echo)\b")
# `s/size/5Gi/` or `s/image:.*/image: web:1/`, and a file's name
_REPLACED = re.compile(r"\bs([/#|@,])(\w[\w.-]*)(:[^/#|@,]*)?\1")
_LOAD = re.compile(
    r"\b(?:ctr\b[^\n]*\bimages? import|kind load|k3d image import|nerdctl\b[^\n]*\bload"
    r"|minikube (?:cache add|docker-env|image (?:build|load)))\b"
)
_FILE = re.compile(r"([\w.-]+\.ya?ml)\b")
_KINDS = {"secret": "Secret", "configmap": "ConfigMap", "serviceaccount": "ServiceAccount"}


def is_left_out(file: Path) -> bool:
    """Whether a kustomization beside or above a file names it in a comment: somebody took it out.

    That above may have a catalogue below it, of which each cluster takes what it needs. Terraform
    beside it, too, may have read it once.
    """
    if any(only_in_comments(text, file) for text in file.parent.glob("*.tf")):
        return True
    return any(_comments_out(folder, file) for folder in file.parents[:LEVELS])


def only_in_comments(text: Path, file: Path) -> bool:
    """Whether a text names a file, and each line that does is a comment."""
    try:
        lines = [line.lstrip() for line in load_text(text).splitlines() if file.name in line]
    except InputError:
        return False
    named = [line for line in lines if _names(line, file) or f"/{file.name}" in line]
    return bool(named) and all(line.startswith(("#", "//")) for line in named)


def _comments_out(folder: Path, file: Path) -> bool:
    kustomization = kustomization_file(folder)
    if kustomization is None:
        return False
    # `# - web.yaml`
    path = re.escape(file.relative_to(folder).as_posix())
    entry = rf"^[ \t]*#[# \t]*-[ \t]*(?:path:)?[ \t]*[\"']?(?:\./)?{path}\b"
    try:
        return re.search(entry, load_text(kustomization), re.MULTILINE) is not None
    except InputError:
        return False


def _names(text: str, file: Path) -> bool:
    """Whether a text has a file's name, and not as the end of another one."""
    return re.search(rf"(?<![\w./-]){re.escape(file.name)}(?![\w-])", text) is not None


def _asked(page: str) -> Iterator[tuple[str, str]]:
    """(kind, name) of what a page says is there, or has to be."""
    yield from _DEPLOY.findall(page)
    for name, kind, other, called in _QUOTED.findall(page):
        yield kind or other, name or called


def _remarks(manifest: str) -> str:
    """The lines of a manifest that are comments."""
    return "\n".join(line for line in manifest.splitlines() if line.lstrip().startswith("#"))


def _spelled(script: str) -> str:
    """A script with the values of its variables in the lines that create something."""
    values = dict(_ASSIGNED.findall(script)) | dict(_DEFAULTED.findall(script))
    if not values or "create" not in script:
        return script
    return "\n".join(
        _VARIABLE.sub(lambda found: values.get(found[1], found[0]), line)
        if "create" in line
        else line
        for line in script.splitlines()
    )


def _bodies(text: str) -> list[Manifest]:
    try:
        return [as_mapping(each.value) for each in read_documents(text, "a form")]
    except InputError:
        return []


def _is_installed(folder: Path) -> bool:
    """Whether a program keeps a folder for itself; a virtual environment of Python is one."""
    return folder.name in _KEPT or (folder / "pyvenv.cfg").exists()


class Mentions:
    """The texts of a folder, read once somebody asks."""

    def __init__(self, folder: Path, files: dict[Path, SourceFile]) -> None:
        self.folder = folder
        self.files = files
        self._texts: list[tuple[Path, str]] | None = None
        self._pages: list[tuple[Path, str]] | None = None
        self._terraform: dict[Path, Path | None] = {}

    def has(self, file: Path) -> bool:
        """Whether a page, a script or a manifest names a file with its folder: `kind/calico.yaml`.

        Somebody applies it by hand then, or another tool reads it by its address. A page beside it
        needs no folder. A kustomization that mentions it in a comment does not count.
        """
        name = f"{file.parent.name}/{file.name}"
        # `kustomize edit add patch --path env.yaml`
        added = re.compile(rf"\bedit add \w+ [^\n]*(?<![\w.-]){re.escape(file.name)}(?![\w.-])")
        return any(name in text for path, text in self._all() if path != file) or any(
            ("edit add " in text and added.search(text))  # the expression alone takes a second
            or (path.parent == file.parent and _names(text, file))
            for path, text in self._commands()
            if file.name in text
        )

    def lists(self, file: Path) -> bool:
        """Whether a page has a file's name, and the path of its folder: somebody applies it."""
        folder = file.parent.as_posix().removeprefix(f"{self.folder.as_posix()}/")
        return any(
            folder in text and _names(text, file)
            for path, text in self._all()
            if path.suffix in PAGES
        )

    def applies(self, folder: Path) -> bool:
        """Whether a page or script builds a folder: `kubectl apply -k argocd/config`."""
        path = re.escape(folder.as_posix().removeprefix(f"{self.folder.as_posix()}/"))
        command = re.compile(
            rf"(?:\s-k|--kustomize|\bkustomize build)[ =]\S*?(?<![\w-]){path}/?(?![\w/-])"
        )
        return any(command.search(text) for _, text in self._commands())

    def is_sealed(self, resource: Resource) -> bool:
        """Whether a script beside a Secret feeds it to kubeseal: then it is not applied itself."""
        file = resource.origin.file
        return resource.kind == "Secret" and any(
            file is not None
            and path.parent == file.parent
            and "kubeseal" in text
            and file.name in text
            for path, text in self._all()
            if path.suffix in SCRIPTS
        )

    def installs(self) -> dict[str, Path]:
        """Namespace -> a page or script that installs a Helm chart there."""
        found: dict[str, Path] = {}
        for path, text in self._commands():
            values = dict(_ASSIGNED.findall(text))
            for command in _HELM.findall(text):
                for word in _NAMESPACE.findall(command):
                    place = values.get(word.strip("${}"), "") if "$" in word else word
                    found.setdefault(place, path)
        found.pop("", None)
        return found

    def provisioned(self) -> dict[str, Path]:
        """Namespace -> a file of Terraform that makes it, or installs a Helm chart there."""
        return provisioned(self._commands())

    def creates(self) -> dict[str, Path]:
        """`Secret web` -> a page that asks for it, or what creates it; `Secret *` stands for all.

        That is a page, a script or a manifest's comment.
        """
        found = {
            f"{_KINDS[kind]} *": path
            for path, text in self._all()
            if path.suffix in PAGES
            for kind in managed(text)
        }
        found |= {
            f"{_KINDS[kind]} {name}": path
            for path, text in self._all()
            if path.suffix in SUFFIXES
            for kind, name in objects(text)
        }
        found |= {
            f"{_KINDS[kind.lower()]} {name}": path
            for path, text in self._all()
            for kind, name in _asked(text if path.suffix in PAGES else _remarks(text))
        }
        return found | {
            f"{_KINDS[kind]} {name}": path
            for path, text in self._all()
            for kind, name in _CREATE.findall(_spelled(text.replace("\\\n", " ")))
        }

    def forms(self) -> dict[str, Path]:
        """`Secret web` -> a file that a person copies and fills in: `secret.yaml.example`."""
        return {
            f"{body.get('kind')} {as_text(at(body, 'metadata', 'name'))}": path
            for path, text in self._read(FORMS, ())
            if Path(path.stem).suffix in {".yaml", ".yml"}
            for body in _bodies(text)
        }

    def shows(self) -> dict[str, Path]:
        """`Secret web` -> a page or script that looks at it with kubectl."""
        return {
            f"{_KINDS[kind]} {name}": path
            for path, text in self._commands()
            for kind, name in _SHOWN.findall(text)
        }

    def replaced(self) -> frozenset[tuple[str, str]]:
        """(word, name of a file) of what scripts replace: `sed s/size/5Gi/ pv.yaml`.

        Of `s/image:.*/…/` the word is the field's name with its colon.
        """
        return frozenset(
            (f"{word}:" if rest else word, name)
            for _, text in self._commands()
            for line in text.splitlines()
            if "sed" in line
            for _, word, rest in _REPLACED.findall(line)
            for name in _FILE.findall(line)
        )

    def program(self, word: str) -> Path | None:
        """A program's source that has a word."""
        return next((path for path, text in self._read(PROGRAMS, ()) if word in text), None)

    def substitutes(self) -> bool:
        """Whether a page or script fills in variables: `kustomize build . | envsubst`."""
        return any(_SUBSTITUTES.search(text) for _, text in self._commands())

    def loads_images(self) -> bool:
        """Whether a page or script puts images onto nodes: `kind load docker-image web:1`."""
        return any(_LOAD.search(text) for _, text in self._commands())

    def helmfile(self) -> Path | None:
        """A file of helmfile, which installs charts: https://helmfile.readthedocs.io."""
        found = (path for path, _ in self._all() if path.name.startswith("helmfile.yaml"))
        return next(found, next(self.folder.glob("helmfile.d"), None))

    def unrestricted(self) -> bool:
        """Whether a page, a script or Argo CD's settings build without the load restrictor."""
        return any("LoadRestrictionsNone" in text for _, text in self._all())

    def sets_node_ports(self) -> bool:
        """Whether a page, a script or a manifest gives the API server another range of them."""
        return any("service-node-port-range" in text for _, text in self._all())

    def _commands(self) -> list[tuple[Path, str]]:
        """The pages and scripts, a command a line."""
        if self._pages is None:
            self._pages = [
                (path, text.replace("\\\n", " "))
                for path, text in self._all()
                if path.suffix in SCRIPTS or path.name in SCRIPT_NAMES
            ]
        return self._pages

    def terraform(self, loose: Iterable[Resource]) -> dict[tuple[Path, str], None]:
        """(folder, namespace) of manifests that no tree applies, and that lie below Terraform's."""
        found: dict[tuple[Path, str], None] = {}
        for each in loose:
            folder = each.origin.file and self._terraform_above(each.origin.file.parent)
            if folder is not None:
                found[folder, each.namespace] = None
        return found

    def _terraform_above(self, folder: Path) -> Path | None:
        """The nearest folder, below the tree's own, that has files of Terraform or OpenTofu."""
        if folder == self.folder or not folder.is_relative_to(self.folder):
            return None
        if folder not in self._terraform:
            here = any(each.suffix in SUFFIXES for each in folder.iterdir())
            self._terraform[folder] = folder if here else self._terraform_above(folder.parent)
        return self._terraform[folder]

    def _all(self) -> list[tuple[Path, str]]:
        if self._texts is None:
            texts = self._read(SCRIPTS, SCRIPT_NAMES)
            self._texts = [*texts, *self._manifests(self.files.values())]
        return self._texts

    def _read(self, suffixes: Container[str], others: Container[str]) -> Iterator[tuple[Path, str]]:
        """The texts of the folder whose names end so, or are among the others."""
        for top, folders, names in os.walk(self.folder):
            folders[:] = [each for each in folders if not _is_installed(Path(top, each))]
            for name in names:
                path = Path(top, name)
                known = path.suffix in suffixes or name in others
                told = _HISTORY.match(name) is not None  # of what was, and not how to set it up
                if told or not known or path.is_symlink() or path.stat().st_size > LARGEST:
                    continue
                try:
                    yield path, load_text(path)
                except InputError:
                    continue

    def _manifests(self, files: Iterable[SourceFile]) -> Iterator[tuple[Path, str]]:
        for each in files:
            if not each.is_kustomization:
                yield each.path, each.text


def take_commands(inputs: Inputs, mentions: Mentions, loose: Iterable[Resource]) -> None:
    """Take down what Terraform may make beside some manifests, and people with helm and kubectl."""
    for folder, place in mentions.terraform(loose):
        why = f"Terraform in {show(folder, inputs.root)} may make more"
        inputs.miss(why, [place] if place else ())
    inputs.node_ports, inputs.loads_images = mentions.sets_node_ports(), mentions.loads_images()
    inputs.substituted, inputs.replaced = mentions.substitutes(), mentions.replaced()
    if (charts := mentions.helmfile()) is not None:
        inputs.miss(f"{show(charts, inputs.root)} installs charts")
    inputs.by_hand.update(mentions.forms() | mentions.creates())
    inputs.shown = mentions.shows()
    for place, path in mentions.installs().items():
        why = f"{show(path, inputs.root)} installs a chart in namespace {place}"
        inputs.unseen.setdefault("", []).append(Unseen(place, why))
    for place, path in mentions.provisioned().items():
        why = f"Terraform in {show(path, inputs.root)} makes namespace {place}, or installs a chart"
        inputs.unseen.setdefault("", []).append(Unseen(place, why))
