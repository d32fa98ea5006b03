"""How a plain file of a tree is read: by Argo CD, a chart, a generator, a test, or people."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from treecheck.errors import InputError
from treecheck.files import load_text
from treecheck.kube.projects import glob
from treecheck.kube.targets import is_meant
from treecheck.mentions import LEVELS
from treecheck.model import as_list, as_mapping, as_text, at
from treecheck.rendering import closure, items, read_kustomization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from treecheck.files import SourceFile
    from treecheck.model import Manifest, Part, Resource

# Files that another program makes manifests of, by their names' ends, and manifests in JSON, which
# Argo CD and kubectl read too: https://argo-cd.readthedocs.io/en/stable/user-guide/directory/.
MAKERS = frozenset({".cue", ".dhall", ".jsonnet", ".k"})
TEMPLATES = frozenset(
    {".erb", ".gotmpl", ".j2", ".jinja", ".jinja2", ".json", ".mustache", ".tmpl", ".tpl"}
)
# The settings of a Helm chart that somebody installs there: `values.yaml`, `web-values.yaml`.
_VALUES = re.compile(r"(?:^|-)values(?:[-.]\w+)*\.ya?ml$")
_KIND = re.compile(r"^[\s{]*[\"']?kind[\"']?:", re.MULTILINE)
_PATCH = re.compile(r"(?:^|[-_.])patch(?:es)?(?:[-_.]|$)")  # in a file's name
# Groups of the files that list what `gator verify`, `kyverno test`, Chainsaw and KUTTL try out.
TESTS = frozenset({"chainsaw.kyverno.io", "cli.kyverno.io", "kuttl.dev", "test.gatekeeper.sh"})


# Folders of manifests for people to look at. `test` may be an environment.
EXAMPLES = frozenset(
    {"demos", "doc", "docs", "example", "examples", "sample", "samples"}
    | {"slides", "tests", "third_party", "tutorial", "tutorials"}
)
# Folders of pages: what lies there and no page or script names is a copy, for nobody to apply.
PAGES = frozenset({"doc", "docs"})
# Folders of what is no longer deployed, or is copied first.
ARCHIVES = frozenset(
    {"archive", "archived", "archives", "attic", "deprecated", "disabled", "graveyard", "obsolete"}
    | {"cue.mod", "old", "retired", "skeleton", "template", "tmpl", "unused", "vendor"}
)
# Folders of what a test of a program reads, or compares its output with.
RECORDS = frozenset({"e2e", "expected", "fixtures", "golden", "goldens", "test_data", "testdata"})


# A file of them: KUTTL's `01-assert.yaml`, a fault that a test looks for, what is switched off.
_RECORD = re.compile(r"^\d+-(?:assert|errors?)\b|\binvalid\b|(?:^|[-_.])expected[-_.]")
_LESSON = re.compile(r"(?:^|[-_])(?:course|exercises?|lessons?|study|workshop)(?:[-_]|$)")
_OFF = re.compile(
    r"[._-](?:bak|disabled?|deprecated|off|old)$|^superseded(?:[._-]|$)|^backups?[._-]\d"
)

# A folder of faults that somebody shows or tests: `invalid`, `with_schema_error`.
_FAULTS = re.compile(r"(?:^|[-_])(?:broken|invalid)(?:[-_]|$)|[-_]errors?$")

EXAMPLE, ARCHIVE = "example", "archive"


def aside(path: Path, tree: Path, is_named: Callable[[Path], bool] | None = None) -> str:
    """EXAMPLE or ARCHIVE, where a file or folder of a tree lies in a folder of such; else "".

    What a test beside it reads is nothing that is deployed either, nor what lies among pages and
    is not named by one (`is_named`).
    """
    parts = path.relative_to(tree).parts if path.is_relative_to(tree) else ()
    names = {each.strip("_.-").casefold() for each in parts}
    if any(_OFF.search(each) or _FAULTS.search(each) for each in names):
        return ARCHIVE
    if parts and _RECORD.search(parts[-1]):
        return ARCHIVE
    if names & (ARCHIVES | RECORDS) or _is_input_of_test(path) or _is_data_of_chart(path):
        return ARCHIVE
    if names & PAGES and is_named is not None and not is_named(path):
        return ARCHIVE
    taught = any(_LESSON.search(each) for each in names)
    return EXAMPLE if taught or names & EXAMPLES else ""


def is_recorded(path: Path, tree: Path) -> bool:
    """Whether a path lies in a folder for a program's tests: nothing deploys such, ever."""
    return not RECORDS.isdisjoint(path.relative_to(tree).parts if path.is_relative_to(tree) else ())


def _is_input_of_test(file: Path) -> bool:
    """Whether a test beside a file reads it: test_release.yaml, beside some test_*.py."""
    stem = file.stem
    if not (stem.startswith("test_") or stem.endswith("_test")):
        return False
    return any(any(file.parent.glob(each)) for each in ("test_*.py", "*_test.py", "*_test.go"))


def _is_data_of_chart(path: Path) -> bool:
    """Whether a Helm chart's templates read a file as data (`.Files.Get`): it lies below files/."""
    return any(
        each.name == "files" and (each.parent / "Chart.yaml").is_file() for each in path.parents
    )


def is_dump(source: SourceFile) -> bool:
    """Whether somebody wrote out what a cluster has: a controller made something in it."""
    return any(
        "uid" in as_mapping(owner)
        for document in source.documents
        for body in items(document.value)
        for metadata in [as_mapping(body.get("metadata"))]
        for owner in as_list(metadata.get("ownerReferences"))
        if "uid" in metadata
    )


def left_out(archived: Iterable[Resource]) -> Iterator[str]:
    """One sentence about what lies in archives, if anything does."""
    parts = dict.fromkeys(each.part.name for each in archived)
    if parts:
        more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
        yield (
            f"{next(iter(parts))}{more} left out: a folder above, a test beside it, or what is in "
            "it says that nothing deploys it"
        )


def examples(resources: Iterable[Resource]) -> Iterator[str]:
    """One sentence about how far examples are checked, if there are any."""
    parts = dict.fromkeys(each.part.name for each in resources if each.part.shown)
    if parts:
        more = f" and {len(parts) - 1} more are examples" if len(parts) > 1 else " is an example"
        yield (
            f"{next(iter(parts))}{more} or commented out: only what the API server says of it is "
            "checked"
        )


def chart_of(file: Path, tree: Path) -> Path | None:
    """The folder of the Helm chart that a file belongs to, or None."""
    inside = (each for each in file.parents if each.is_relative_to(tree))
    return next((each for each in inside if (each / "Chart.yaml").is_file()), None)


@cache
def is_bundle(folder: Path) -> bool:
    """Whether a folder is a release of an operator, which OLM installs where it fits.

    https://olm.operatorframework.io/docs/tasks/creating-operator-bundle/
    """
    return any("clusterserviceversion" in each.name for each in folder.iterdir())


def maker_in(folder: Path) -> Path | None:
    """A file of a folder that other manifests than its YAML are made of, or None."""
    for each in sorted(folder.iterdir()):
        if each.suffix in MAKERS or (each.suffix in TEMPLATES and has_kind(each)):
            return each
        if _VALUES.search(each.name) and not has_kind(each):
            return each
    return None


def has_kind(file: Path) -> bool:
    """Whether a file looks like a manifest."""
    try:
        return _KIND.search(load_text(file)) is not None
    except InputError:
        return False


def test_folders(files: Iterable[SourceFile], tree: Path) -> set[Path]:
    """The folders, below the tree's own, whose manifests a test of policies reads."""
    return {
        source.path.parent
        for source in files
        for document in source.documents
        if as_text(as_mapping(document.value).get("apiVersion")).partition("/")[0] in TESTS
        if source.path.parent != tree
    }


def of_policies(files: Iterable[SourceFile]) -> set[str]:
    """What generators of policies read and change, or only compare: ends of paths.

    Open Cluster Management's PolicyGenerator, and OpenShift's PolicyGenTemplate before it, patch a
    part of a manifest into a policy, and a policy that informs is of as much as it compares.
    https://github.com/open-cluster-management-io/policy-generator-plugin
    """
    return {
        name
        for source in files
        for document in source.documents
        for name in _sources_of(as_mapping(document.value))
        if name
    }


def is_for_policies(loose: Resource, policies: set[str]) -> bool:
    """Whether a generator of policies makes of a manifest what is applied, or compared."""
    path = loose.origin.file.as_posix() if policies and loose.origin.file else ""
    if "/source-crs/" in path and any(each.startswith("source-crs/") for each in policies):
        return True  # the folder of such sources alone
    return any(path.endswith(f"/{each}") for each in policies)


def _sources_of(generator: Manifest) -> Iterator[str]:
    if generator.get("kind") == "PolicyGenTemplate":  # whose files the folder of that name has
        for entry in map(as_mapping, as_list(at(generator, "spec", "sourceFiles"))):
            yield f"source-crs/{as_text(entry.get('fileName'))}"
    if generator.get("kind") != "PolicyGenerator":
        return
    defaults = as_mapping(generator.get("policyDefaults"))
    for policy in map(as_mapping, as_list(generator.get("policies"))):
        for entry in map(as_mapping, as_list(policy.get("manifests"))):
            action = [each.get("remediationAction") for each in (entry, policy, defaults)]
            enforced = next(filter(None, action), "inform") == "enforce"
            if not enforced or "patches" in entry:
                yield as_text(entry.get("path")).removeprefix("./")


def made_beside(loose: Iterable[Resource]) -> Iterator[tuple[Path, str]]:
    """(file, namespace): what makes more manifests beside some, and where those land."""
    makers: dict[Path, Path | None] = {}
    told: dict[tuple[Path, str], None] = {}
    for each in loose:
        folder = each.origin.file and each.origin.file.parent
        if folder is None:
            continue
        if folder not in makers:
            makers[folder] = maker_in(folder)
        if maker := makers[folder]:
            told[maker, each.namespace] = None
    yield from told


def makes_more(template: SourceFile) -> bool:
    """Whether a template makes manifests that nothing else tells of.

    What a chart makes is the Applications' concern, unless it makes Applications itself.
    """
    charted = any((folder / "Chart.yaml").is_file() for folder in template.path.parents)
    kind = r"^kind: *(Application(?:Set)?|HelmRelease)\b" if charted else "^kind:"
    return re.search(kind, template.text, re.MULTILINE) is not None


def is_patch(loose: Resource) -> bool:
    """Whether a manifest that nothing lists is a patch: by its place, or by kustomize's words.

    Or by what a patch leaves to the manifest that it changes: the selector and every image.
    """
    file = loose.origin.file
    words = {*loose.body, *loose.metadata, *loose.spec}
    named = file is not None and (file.parent.name == "patches" or _PATCH.search(file.stem))
    return bool(named) or not words.isdisjoint({"$patch", "$retainKeys"}) or _leaves_most(loose)


def _leaves_most(loose: Resource) -> bool:
    """Whether a workload has no selector, and no image, or no container but init containers.

    Or a Service has annotations alone: they are for one that a chart or the cluster brings.
    """
    if loose.kind == "Service" and not loose.spec:
        return bool(loose.name and loose.annotations)
    if loose.kind not in {"DaemonSet", "Deployment", "StatefulSet"} or loose.pod is None:
        return False
    containers = [container for _, container in loose.pod.containers()]
    images = "containers" in loose.pod.spec and any("image" in each for each in containers)
    some = bool(containers) or bool(loose.pod.spec.keys() - {"volumes"})
    return some and "selector" not in loose.spec and not images


def is_part(loose: Resource, policies: set[str]) -> bool:
    """Whether such a manifest is applied, if at all, with what another program adds to it.

    `policies` is what `of_policies` finds.
    """
    return is_patch(loose) or is_completed(loose) or is_for_policies(loose, policies)


def twin_of(loose: Resource, made: Iterable[Resource]) -> Resource | None:
    """What kustomizations make that is the same as a manifest which none names, or None.

    Of a Namespace the name says it all: a component may bring one that `namespace:` renames.
    """
    if is_patch(loose):
        return None
    body = {key: value for key, value in loose.body.items() if key != "metadata"}
    for each in made:
        if (each.group, each.kind, each.name) != (loose.group, loose.kind, loose.name):
            continue
        same = body == {key: value for key, value in each.body.items() if key != "metadata"}
        if loose.kind == "Namespace" or (same and (len(body) > 2 or each.key == loose.key)):
            return each
    return None


def builds_on(part: Part | None, deployed: set[Path | None]) -> bool:
    """Whether a folder builds on files that Applications deploy from another folder."""
    if part is None or part.folder is None:
        return False
    return any(file in deployed for each in closure(part.folder)[1:] for file in each.files)


def is_completed(loose: Resource) -> bool:
    """Whether a kustomization above has a patch for such a manifest: it is to be listed there.

    What it lacks as it is written, such as an Application's repository, the patch adds.
    """
    file = loose.origin.file
    return file is not None and any(
        _is_patched(loose, as_mapping(as_mapping(patch).get("target")))
        for folder in file.parents[:LEVELS]
        for kustomization in [read_kustomization(folder)]
        if kustomization is not None
        for field in ("patches", "patchesJson6902")
        for patch in as_list(kustomization.body.get(field))
    )


def _is_patched(resource: Resource, target: Manifest) -> bool:
    """Whether a patch's target means a resource, by its name or labels, or as an Application."""
    says_more = {"name", "labelSelector", "annotationSelector"} & set(target)
    of_argo = resource.group == "argoproj.io" and "kind" in target
    return bool(says_more or of_argo) and is_meant(target, resource, ("", ""))


def is_read(file: Path, folder: Path, directory: Manifest) -> bool:
    """Whether Argo CD reads a file of a folder of plain manifests (`spec.source.directory`)."""
    if not file.is_relative_to(folder):
        return False
    if file.parent != folder and directory.get("recurse") is not True:
        return False
    path = file.relative_to(folder).as_posix()
    include, exclude = as_text(directory.get("include")), as_text(directory.get("exclude"))
    if exclude and glob(exclude).fullmatch(path):
        return False
    return not include or glob(include).fullmatch(path) is not None


def called(source: Manifest) -> str:
    """What messages call an Application's source."""
    chart, path = as_text(source.get("chart")), as_text(source.get("path"))
    return f"chart {chart}" if chart else f"path {path}" if path else "the source"
