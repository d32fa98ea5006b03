"""A folder of kustomizations, Applications and plain manifests, sorted into clusters."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from treecheck.beside import (
    ARCHIVE,
    EXAMPLE,
    aside,
    builds_on,
    called,
    chart_of,
    examples,
    has_kind,
    is_dump,
    is_part,
    is_read,
    is_recorded,
    left_out,
    made_beside,
    of_policies,
    test_folders,
    twin_of,
)
from treecheck.errors import InputError
from treecheck.files import SourceFile, git_root, kustomization_file, read_any, yaml_files
from treecheck.kube.alternatives import LOOSE, by_file
from treecheck.kube.applications import cluster_of, destination, lands_in, sources, sources_of
from treecheck.kube.applicationsets import generated
from treecheck.kube.renderers import (
    beside_flux,
    flux_components,
    flux_dormant,
    flux_options,
    kustomize_options,
)
from treecheck.kube.templates import NotKnown
from treecheck.mentions import Mentions, is_left_out, take_commands
from treecheck.model import Part, Resource, as_mapping, as_text, at
from treecheck.placeholders import is_template, template_of, without_templates
from treecheck.rendering import closure, unrendered
from treecheck.repositories import Repositories
from treecheck.sets import Inputs, render_part, resources_of, show
from treecheck.unbuilt import FILLED, lacks_file, tell_failures, tell_templates
from treecheck.written import left_over, mark_data, taken_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.facts import Facts
    from treecheck.model import Manifest

ARGO = "argoproj.io"


class Sorter:
    """A folder of kustomizations, Applications and plain manifests, taken as one repository."""

    def __init__(self, inputs: Inputs, folder: Path, facts: Facts) -> None:
        self.inputs = inputs
        self.folder = folder
        self.facts = facts
        self.clusters: dict[str, list[Resource]] = {}
        self.seen: set[tuple[str, str, str]] = set()
        self.groups, self.failed = dict[Path, str](), dict[Path, str]()
        self.directories: dict[Part, Manifest] = {}
        self.unfilled: dict[Path, tuple[SourceFile, str]] = {}  # templates, and which kind of one
        self.mentions = inputs.mentions = Mentions(folder, inputs.files)
        self.repositories = Repositories(folder, inputs.files)
        self.templates: set[Path] = set()  # folders that a plugin of Argo CD renders
        self.archived: list[Resource] = []
        self.flux: dict[Path, str] = {}  # the folders that Flux builds, and how
        self.free = ""  # how all others are built
        self.followed: set[Path] = set()  # folders that an Application renders, with its options
        self.out: set[Path] = set()  # folders that kustomizations name in a comment
        self.deploys = True  # whether more lies here than examples and archives

    def add(self) -> None:
        """Render everything below the folder and sort it into clusters."""
        paths = list(yaml_files(self.folder, self.facts.ignore))
        self.deploys = any(not aside(each, self.folder) and has_kind(each) for each in paths)
        kustomizations = {
            each.folder: each
            for path in paths
            if (path.parent / path.name) == kustomization_file(path.parent)
            for each in closure(path.parent)
        }
        self.out = taken_out(kustomizations.values())
        inner = {sub for each in kustomizations.values() for sub in each.folders}
        roots = [
            folder
            for folder, each in kustomizations.items()
            if folder not in inner and each.body.get("kind") != "Component"
        ]
        for root in sorted(roots, key=str):
            for each in closure(root):
                self.groups.setdefault(each.folder, show(root, self.inputs.root))
        used = {f for each in kustomizations.values() for f in (each.file, *each.files)}
        plain = self._read_files([*paths, *sorted(used - set(paths), key=str)], used)
        mark_data(kustomizations.values(), self.inputs.files)
        self.flux = flux_options(self.inputs.files.values(), self._flux_folder)
        self.out |= flux_dormant(self.inputs.files.values(), self._flux_folder) - {*self.flux}
        self.free = beside_flux(unrestricted=bool(self.flux) or self.mentions.unrestricted())
        built = self._render([self._root(e) for e in roots if self._aside(e) != ARCHIVE])
        rendered = without_templates(built, self.flux, self.inputs.unknown)
        self._follow_applications(rendered, plain)
        self._place_the_rest(rendered, plain)
        tell_templates(self.inputs, self.unfilled, used, self._is_applied)
        self.inputs.notes += examples(each for found in self.clusters.values() for each in found)
        self.inputs.sets.update({k: v for k, v in self.clusters.items() if v})
        aided = flux_components(self.inputs.files.values(), self._flux_folder)
        deployed = {*self.flux, *self.followed}
        over = left_over(roots, kustomizations.values(), deployed) & {*self.failed}
        self.out |= {each for each in over if not self.mentions.applies(each)}
        tell_failures(self.inputs, self.failed, self._excuse, aided, deployed)
        self.inputs.substituted |= bool(self.flux)

    def _excuse(self, folder: Path) -> str:
        """Why a folder need not be built as it is, or ""."""
        if any(file in self.unfilled for each in closure(folder) for file in each.files):
            return FILLED
        return "nothing deploys it" if self._aside(folder) else ""

    def _is_applied(self, path: Path) -> bool:
        """Whether an Application applies a file as it is: nobody fills it in first."""
        return any(is_read(path, part.folder or path, how) for part, how in self._plain_parts())

    def _plain_parts(self) -> Iterator[tuple[Part, Manifest]]:
        """The folders of plain manifests that Applications apply, and how they are read."""
        for part, directory in self.directories.items():
            if part.folder is not None and kustomization_file(part.folder) is None:
                yield part, directory

    def _root(self, folder: Path) -> Part:
        part = self._part(folder, options=self.flux.get(folder, self.free))
        return replace(part, shown=self._aside(folder) == EXAMPLE)

    def _aside(self, path: Path) -> str:
        """EXAMPLE or ARCHIVE of what lies in such a folder, unless the tree deploys it; else ""."""
        out = EXAMPLE if path in self.out else ""
        places = {path} if out else {path, path.parent}
        here = not places.isdisjoint({*self.flux, *self.followed})
        if here or not (self.deploys or is_recorded(path, self.folder)):
            return ""
        return aside(path, self.folder, self.mentions.has) or out

    def _part(self, folder: Path, name: str = "", namespace: str = "", options: str = "") -> Part:
        shown = show(folder, self.inputs.root)
        group = self.groups.get(folder, shown)
        return Part(name or shown, group, folder=folder, namespace=namespace, options=options)

    def _read_files(self, paths: Iterable[Path], used: set[Path]) -> list[Resource]:
        """Read every file; returns the manifests in those that no kustomization names."""
        plain: list[Resource] = []
        for path in paths:
            if path.suffix not in {".yaml", ".yml"}:
                continue
            if path not in used and path.name.startswith("."):
                continue  # the settings of another tool
            source = read_any(path)
            within = None if path in used else chart_of(path, self.folder)
            helm = within is not None and not path.name.startswith("values")
            why = template_of(source.text, helm=helm) if source.error is not None else ""
            if why or (path not in used and is_template(source, charted=within is not None)):
                self.unfilled[path] = (source, why or "a template: its names are not filled in")
                continue
            archived = path not in used and (self._aside(path) == ARCHIVE or is_dump(source))
            if not archived:
                self.inputs.files[path] = source
            if path not in used or source.error is not None:
                group = show(path.parent, self.inputs.root)
                chart = show(within, self.inputs.root) if within else ""
                name, shown = show(path, self.inputs.root), self._aside(path) == EXAMPLE
                part = Part(name, group, file=path, loose=True, shown=shown, chart=chart)
                source.merged = False
                found = resources_of(self.inputs, source, part, strict=False)
                (self.archived if archived else plain).extend(found)
        self.inputs.notes += left_out(self.archived)
        return plain

    def _render(self, parts: list[Part]) -> dict[Part, list[Resource]]:
        def attempt(part: Part) -> list[Resource] | InputError:
            try:
                return render_part(self.inputs, part)
            except InputError as error:
                return error

        rendered: dict[Part, list[Resource]] = {}
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
            for part, outcome in zip(parts, pool.map(attempt, parts), strict=True):
                folder = part.folder or Path()
                if isinstance(outcome, InputError) and (
                    not unrendered(folder) or lacks_file(str(outcome))
                ):
                    self.failed[folder] = str(outcome)
                    continue
                # What fails without a chart or a remote base may well be built with it.
                rendered[part] = [] if isinstance(outcome, InputError) else outcome
        return rendered

    def _follow_applications(
        self, rendered: dict[Part, list[Resource]], plain: list[Resource]
    ) -> None:
        """Render what Applications point at, and what the Applications found there point at."""
        for some in (*rendered.values(), plain):
            some.extend(self._generated(some))
        pending = [each for found in (*rendered.values(), plain) for each in found]
        while pending:
            wanted: dict[Part, str] = {}
            for each in pending:
                if each.group == ARGO and each.kind == "Application":
                    wanted.update(self._targets(each))
            pending = []
            built = self._render(
                [part for part in wanted if kustomization_file(part.folder or Path())]
            )
            for part, cluster in wanted.items():
                rendered_here = kustomization_file(part.folder or Path()) is not None
                resources = (
                    built.get(part, []) if rendered_here else self._plain_folder(part, plain)
                )
                resources += self._generated(resources)
                self.inputs.miss_remote(part, resources, cluster)
                self._tell_makers([] if rendered_here else resources, cluster)
                self.clusters.setdefault(cluster, []).extend(resources)
                pending += resources

    def _generated(self, resources: list[Resource]) -> list[Resource]:
        """The Applications of the ApplicationSets among some resources."""
        found: list[Resource] = []
        for each in resources:
            if each.group != ARGO or each.kind != "ApplicationSet" or each.maker is not None:
                continue
            try:
                bodies = generated(each, git_root(self.folder) or self.folder, self.facts)
            except NotKnown as error:
                template = as_mapping(at(each.spec, "template", "spec"))
                places = lands_in(template, sources_of(template), each.namespace)
                why = f"ApplicationSet {each.name} {error}"
                self.inputs.miss(f"{why}, which only Argo CD can expand", places)
                note = f"{why}, so its Applications are not known, and not checked"
                self.inputs.notes.append(note)
                continue
            found += [Resource(body, each.part, each.origin, maker=each) for body in bodies]
        return found

    def _targets(self, application: Resource) -> dict[Part, str]:
        """Part -> cluster, for each of an Application's sources that lies in this tree."""
        cluster = cluster_of(application)
        namespace = as_text(destination(application).get("namespace"))
        targets: dict[Part, str] = {}
        for source in sources(application):
            folder = self._folder_of(source)
            if folder is None:
                if "ref" not in source or "path" in source or "chart" in source:
                    why = f"{called(source)} of Application {application.name} is not in this tree"
                    charted = self.repositories.folder_of(source) is not None  # told by its files
                    own = "" if charted else application.namespace
                    places = lands_in(application.spec, [source], own)
                    self.inputs.miss(why, places, cluster or "the cluster")
                continue
            key = (cluster, application.name, str(folder))
            if key not in self.seen:
                self.seen.add(key)
                options = kustomize_options(source, folder, self.mentions.unrestricted())
                part = self._part(folder, application.name, namespace, options)
                self.followed.add(folder)
                self.directories[part] = as_mapping(source.get("directory"))
                targets[part] = cluster or "the cluster"
        return targets

    def _folder_of(self, source: Manifest) -> Path | None:
        """The folder that a source renders, where the tree has it and we can render it."""
        folder = self.repositories.folder_of(source)
        if folder is not None and "plugin" in source:
            self.templates.add(folder)
        if folder is None or "plugin" in source or (folder / "Chart.yaml").is_file():
            return None
        return folder

    def _flux_folder(self, path: str) -> Path | None:
        """The folder of a Flux Kustomization's path, which may begin inside the repository.

        It does where Flux reads an artifact that was made of a part of it.
        """
        below = "/" + path.strip("./")
        ends = [folder for folder in self.groups if folder.as_posix().endswith(below)]
        return self.repositories.find(path) or (ends[0] if len(ends) == 1 else None)

    def _plain_folder(self, part: Part, plain: list[Resource]) -> list[Resource]:
        """An Application's folder of plain manifests, less what its ApplicationSets generate."""
        assert part.folder is not None  # noqa: S101 - Applications' parts have one
        return [
            Resource(each.body, part, each.origin)
            for each in [*plain, *self.archived]
            if each.maker is None and (file := each.origin.file) is not None
            if is_read(file, part.folder, self.directories.get(part, {}))
        ]

    def _is_unlisted(self, resource: Resource, made: list[Resource]) -> bool:
        """Whether a manifest lies beside a kustomization that does not name it; notes it if so.

        The Application that syncs its own folder is applied by hand, once, and may.
        """
        file = resource.origin.file
        if file is None or kustomization_file(file.parent) is None:
            return file is not None and is_left_out(file)
        left_out = is_left_out(file)
        if resource.group == ARGO and resource.kind == "Application" and not left_out:
            paths = filter(None, (as_text(each.get("path")) for each in sources(resource)))
            if any(self.repositories.find(path) == file.parent.resolve() for path in paths):
                return False
        known = left_out or self._aside(file) or self.mentions.has(file)
        source = self.inputs.files[file]
        if len(source.documents) == 1 and (twin := twin_of(resource, made)) is not None:
            known = known or twin.kind == "Namespace" or self.mentions.lists(file)
            source.twin = show(twin.origin.file or file, self.inputs.root)
        source.unlisted = not known
        return True

    def _place_the_rest(self, rendered: dict[Part, list[Resource]], plain: list[Resource]) -> None:
        """What no Application deploys joins the one cluster that they fill, or stands alone.

        Another overlay of a base that Applications deploy, perhaps of another cluster, does too.
        So does a folder most of whose resources one before it brings: it is another form of that.
        """
        taken = {each.key for found in self.clusters.values() for each in found}
        placed = {_name(each) for found in self.clusters.values() for each in found}
        deployed = {each.origin.file for found in self.clusters.values() for each in found}
        only = next(iter(self.clusters)) if len(self.clusters) == 1 else None
        sets = [
            (part, part.name, found)
            for part, found in rendered.items()
            if not self._is_template(part.folder) and part.folder not in self.followed
        ]

        def is_new(each: Resource) -> bool:  # one without a namespace may be placed anywhere
            named = "namespace" in each.metadata or _name(each) not in placed
            return each.key not in taken and named

        met: set[tuple[str, str, str, str]] = set()
        for part, name, found in [*sets, *by_file(self._loose(plain, rendered), is_new)]:
            new = [*filter(is_new, found)]
            if not new and not (part is not None and unrendered(part.folder or Path())):
                continue
            target, alone = name, part is None and name != LOOSE
            keys = {each.key for each in new if part is not None and each.kind != "Namespace"}
            overlay = builds_on(part, deployed)
            if only is not None and not alone and not overlay and 2 * len(met & keys) <= len(keys):
                target = only
                met |= keys
                self.clusters[only].extend(new)
            else:
                for each in found if overlay else ():
                    each.checked = is_new(each)  # the others are judged where they are deployed
                self.clusters[name] = found if alone or overlay or not taken else new
                self.inputs.apart.add(name)
            if part is not None:
                self.inputs.miss_remote(part, found, target)
                self._tell_makers(found, target)

    def _loose(self, plain: list[Resource], rendered: dict[Part, list[Resource]]) -> list[Resource]:
        """The manifests that neither an Application nor a kustomization applies."""
        made = [each for found in (*self.clusters.values(), *rendered.values()) for each in found]
        deployed = {each.origin.file for found in self.clusters.values() for each in found}
        tests = test_folders(self.inputs.files.values(), self.folder)
        policies = of_policies(self.inputs.files.values())
        left = [
            each
            for each in plain
            if each.origin.file not in deployed
            and not self._is_unlisted(each, made)
            and not self._is_template(each.origin.file)
            and not is_part(each, policies)
            and not self.mentions.is_sealed(each)
            and not (each.origin.file and tests & {*each.origin.file.parents})
        ]
        self._tell_makers(left)
        take_commands(self.inputs, self.mentions, left)
        return left

    def _tell_makers(self, resources: Iterable[Resource], name: str = "") -> None:
        """Take down what other manifests than YAML lie beside some."""
        for file, place in made_beside(resources):
            self.inputs.miss(f"{show(file, self.inputs.root)} makes more", [place], name)

    def _is_template(self, path: Path | None) -> bool:
        """Whether a path lies in a folder that a plugin of Argo CD makes manifests of."""
        return path is not None and any(path.is_relative_to(each) for each in self.templates)


def _name(resource: Resource) -> tuple[str, str, str]:
    return resource.group, resource.kind, resource.name
