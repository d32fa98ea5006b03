"""Promises about the rendered trees, each also tried on a tree that is deliberately broken.

A test that takes `dev`, `prod`, `both` or `argocd` runs on that tree and must pass, and then on
`broken/<name of the test>.yaml` and must fail.
"""

from __future__ import annotations

import copy
import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ci.run import run
from tests.manifests import backed_up
from tests.manifests.environments import LIKE_DEV, LIKE_PROD
from treecheck.kustomize import GO, Loader, kubectl

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROOT = Path(__file__).parents[2]
BROKEN = Path(__file__).parent / "broken"
ARGOCD = ("argocd/apps", "argocd/apps/root.yaml", "argocd/config", "argocd/projects")


def _overlays(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Each environment without backups, as the tree is, and with them (backed_up.py)."""
    return [(f"{tree}/overlays/{name}",) for name in names for tree in ("TREE", "BACKED-UP")]


# `dev` is every environment like dev, whose data is not kept, and `prod` every one like prod.
DEV, PROD = _overlays(LIKE_DEV), _overlays(LIKE_PROD)
TREES = {
    "dev": DEV,
    "prod": PROD,
    "both": [*DEV, *PROD],
    "argocd": [tuple(f"TREE/{part}" for part in ARGOCD)],
}
Resource = dict[str, Any]


class Tree:
    """The rendered resources of an environment or of Argo CD, and questions to ask of them."""

    def __init__(self, resources: list[Resource]) -> None:
        self.resources = resources

    def all(self, *kinds: str) -> list[Resource]:
        """Every resource of these kinds."""
        return [resource for resource in self.resources if resource["kind"] in kinds]

    def one(self, kind: str, name: str) -> Resource:
        """The resource of this kind and name; with a generated name, its beginning."""
        found = [r for r in self.all(kind) if _is_named(r["metadata"]["name"], name)]
        assert len(found) == 1, f"{len(found)} {kind} are named {name}"
        return found[0]

    def pods(self) -> dict[str, Resource]:
        """The pod template of each workload, by the workload's name."""
        workloads = self.all("Deployment", "StatefulSet", "Job")
        return {w["metadata"]["name"]: w["spec"]["template"] for w in workloads}

    def containers(self) -> list[Resource]:
        """Every container."""
        return [c for pod in self.pods().values() for c in pod["spec"]["containers"]]

    def service_container(self) -> Resource:
        """The container that serves."""
        containers: list[Resource] = self.pods()["coworking"]["spec"]["containers"]
        return containers[0]

    def database_container(self) -> Resource:
        """The container of PostgreSQL's server."""
        containers: list[Resource] = self.pods()["postgresql"]["spec"]["containers"]
        (server,) = [each for each in containers if each["name"] == "postgresql"]
        return server

    def settings(self) -> dict[str, str]:
        """The service's ConfigMap."""
        data: dict[str, str] = self.one("ConfigMap", "coworking-configmap")["data"]
        return data


def _is_named(name: str, wanted: str) -> bool:
    return name == wanted or (name.startswith(f"{wanted}-") and wanted.endswith("-configmap"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = [name for name in TREES if name in metafunc.fixturenames]
    if not names:
        return
    promise = metafunc.function.__name__.removeprefix("test_")
    whole: list[Any] = [pytest.param(parts, id=parts[0]) for parts in TREES[names[0]]]
    broken = pytest.param(BROKEN / f"{promise}.yaml", id="broken", marks=pytest.mark.must_fail)
    metafunc.parametrize(names[0], [*whole, broken], indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """On a broken tree a promise has to fail; one that holds there can't fail at all."""
    if pyfuncitem.get_closest_marker("must_fail") is None:
        return (yield)
    try:
        yield
    except AssertionError:
        return True
    pytest.fail("the promise holds on the broken tree too")


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Resource]]:
    """Renders the text of a kustomization, each text once.

    In it `TREE` is the repository, and `BACKED-UP` a copy of it that has its backups switched on.
    """
    folder = tmp_path_factory.mktemp("outer")
    switched = backed_up.make(tmp_path_factory.mktemp("backed-up"))
    places = {"TREE": ROOT, "BACKED-UP": switched}

    @functools.cache
    def render(kustomization: str) -> list[Resource]:
        text = kustomization
        for name, place in places.items():
            text = text.replace(name, os.path.relpath(place, folder))
        (folder / "kustomization.yaml").write_text(text, encoding="utf-8")
        # Argo CD's tree has a file that no kustomization names: the root, applied by hand.
        command = [kubectl(), "kustomize", "--load-restrictor=LoadRestrictionsNone", folder]
        rendered = run(command, env=GO | os.environ)
        return list(yaml.load_all(rendered, Loader=Loader))

    return render


def _tree(request: pytest.FixtureRequest) -> Tree:
    render = request.getfixturevalue("render")
    if isinstance(request.param, tuple):
        return Tree(render(yaml.safe_dump({"resources": list(request.param)})))
    text = request.param.read_text(encoding="utf-8")
    return Tree(_changed(yaml.safe_load(text), render) or render(text))


def _changed(
    kustomization: dict[str, Any], render: Callable[[str], list[Resource]]
) -> list[Resource] | None:
    """What a kustomization of JSON patches alone renders to, without another kubectl.

    Of other kustomizations None: kustomize merges there, or follows a name to where it is used.
    """
    if kustomization.keys() != {"resources", "patches"}:
        return None
    whole = yaml.safe_dump({"resources": kustomization["resources"]})
    changed = copy.deepcopy(render(whole))
    for patch in kustomization["patches"]:
        steps = yaml.safe_load(patch["patch"])
        if not isinstance(steps, list) or patch["target"]["kind"] == "ConfigMap":
            return None
        for resource in _targets(changed, **patch["target"]):
            for step in steps:
                _apply(step["op"], resource, step["path"].split("/")[1:], step.get("value"))
    return changed


def _targets(resources: list[Resource], kind: str, name: str = ".*") -> list[Resource]:
    found = [
        r for r in resources if r["kind"] == kind and re.fullmatch(name, r["metadata"]["name"])
    ]
    assert found, f"no {kind} is named {name}"
    return found


def _apply(operation: str, place: Any, path: list[str], value: Any) -> None:
    """An operation of a JSON patch (RFC 6902) on what a path leads to, which has to be there."""
    word: Any = path[0].replace("~1", "/").replace("~0", "~")
    if isinstance(place, list):
        word = len(place) if word == "-" else int(word)
    if len(path) > 1:
        _apply(operation, place[word], path[1:], value)
    elif operation == "add" and isinstance(place, list):
        place.insert(word, value)
    elif operation == "remove":
        del place[word]
    else:
        assert operation == "add" or (operation == "replace" and place[word] != value)
        place[word] = value


@pytest.fixture
def dev(request: pytest.FixtureRequest) -> Tree:
    return _tree(request)


@pytest.fixture
def prod(request: pytest.FixtureRequest) -> Tree:
    return _tree(request)


@pytest.fixture
def both(request: pytest.FixtureRequest) -> Tree:
    return _tree(request)


@pytest.fixture
def argocd(request: pytest.FixtureRequest) -> Tree:
    return _tree(request)
