"""`python -m ci environment` on a copy of this tree: what it writes, and that it can be undone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from ci.platform.capacity import gather
from ci.platform.capacity.eksctl import load_cluster
from ci.platform.capacity.prices import load_prices
from ci.platform.capacity.verdict import report
from ci.platform.environments.shared import keeps_data
from ci.tree import overlays, rotation, sealed_file, sealing, settings, snapshots
from tests.ci import verbs
from treecheck.kustomize import render_objects

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[4]
COPIED = (
    *("argocd", "base", "docs", "infra", "overlays", "tests/manifests/snapshots"),
    *("settings.yaml", "README.md"),
)
FIRST, LAST = overlays.first(), overlays.last()
# None that this tree is likely to have; with the plainer one two come and go in `make test`.
NAMES = ["a-2nd-one", pytest.param("qa", marks=pytest.mark.thorough)]
BACKUPS = re.compile(r"postgres/(backups|claim)/")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def first_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This tree's manifests, settings and pages, as a repository of one commit."""
    folder = tmp_path_factory.mktemp("first") / "clone"
    for name in git(ROOT, "ls-files", "-z", "--", *COPIED).split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet", "--initial-branch=main", "--template=")
    for key, value in {"name": "Test", "email": "test@example.org"}.items():
        git(folder, "config", f"user.{key}", value)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=As it is")
    git(folder, "repack", "-a", "-d", "--quiet")  # few files, since each test copies them
    return folder


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def environment(root: Path, *words: str) -> verbs.Done:
    return verbs.in_this_process("environment", *words, "--root", str(root))


class Added(NamedTuple):
    root: Path
    name: str
    said: str

    @property
    def overlay(self) -> Path:
        return self.root / "overlays" / self.name

    def text(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=NAMES)
def added(
    request: pytest.FixtureRequest, first_clone: Path, tmp_path_factory: pytest.TempPathFactory
) -> Added:
    """An environment like the last one; no test changes it."""
    root = shutil.copytree(first_clone, tmp_path_factory.mktemp("added") / "clone")
    done = environment(root, "add", request.param, "--like", LAST)
    assert done.returncode == 0, done.stderr
    return Added(root, request.param, done.stdout)


@pytest.fixture
def clone(first_clone: Path, tmp_path: Path) -> Path:
    return shutil.copytree(first_clone, tmp_path / "clone")


@pytest.mark.thorough
def test_it_comes_before_the_last_in_the_order_of_promotion(added: Added) -> None:
    order = overlays.environments(added.root)
    assert order == [*overlays.environments()[:-1], added.name, LAST]
    assert overlays.before(LAST, added.root) == added.name
    assert f"A version goes {' -> '.join(order)}." in added.said


def test_it_is_one_commit_of_all_that_was_written(added: Added) -> None:
    assert git(added.root, "status", "--porcelain") == ""
    assert git(added.root, "rev-list", "--count", "HEAD") == "2\n"


def test_it_has_the_files_of_the_other_but_those_of_its_backups(added: Added) -> None:
    theirs = files(added.root / "overlays" / LAST)
    assert files(added.overlay) == {name for name in theirs if not BACKUPS.match(name)}


def test_nothing_of_its_own_speaks_of_the_other(added: Added) -> None:
    own = [
        *(path for path in added.overlay.rglob("*.yaml")),
        *(added.root / "argocd").rglob(f"*-{added.name}.yaml"),
        snapshots.snapshot_path(added.name, added.root),
    ]
    assert len(own) > 15
    for path in own:
        assert not re.search(rf"(?<![\w-]){LAST}\b|-{LAST}\b", path.read_text()), path


def test_it_renders_as_the_other_in_its_own_namespace(added: Added) -> None:
    """Without backups: with them, the other has a claim and a proof of its own."""
    if settings.read(added.root).backup_bucket:
        pytest.skip("this tree is backed up")
    own, theirs = (
        str(_without_sealed(render_objects(added.root / "overlays" / each)))
        for each in (added.name, LAST)
    )
    assert own == theirs.replace(overlays.namespace(LAST), overlays.namespace(added.name))


def _without_sealed(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in resources if each["kind"] != "SealedSecret"]


def test_its_password_is_fresh_and_sealed_for_its_own_namespace(added: Added) -> None:
    own, theirs = (
        sealed_file.read(overlays.sealed_secret_path(each, added.root))
        for each in (added.name, LAST)
    )
    certificate = sealing.read_certificate(overlays.certificate_path(added.name, added.root))
    assert list(own.entries) == [overlays.PASSWORD_KEY]
    assert own.entries[overlays.PASSWORD_KEY] != theirs.entries[overlays.PASSWORD_KEY]
    assert own.notes["coworking/sealed-for"] == f"coworking-{added.name}/coworking-secret"
    assert own.notes["coworking/sealed-with"] == certificate.fingerprint


def test_who_may_sync_the_other_may_sync_it(added: Added) -> None:
    rights = yaml.safe_load(added.text("argocd/config/argocd-rbac-cm.yaml"))["data"]["policy.csv"]
    lines = rights.splitlines()
    theirs = [line for line in lines if f" coworking-{LAST}/*," in line]
    assert len(theirs) == 2
    for line in theirs:
        assert lines.count(line.replace(f"coworking-{LAST}/", f"coworking-{added.name}/")) == 1


def test_its_project_allows_no_more_than_it_ships(added: Added) -> None:
    project = yaml.safe_load(added.text(f"argocd/projects/coworking-{added.name}.yaml"))
    allowed = {entry["kind"] for entry in project["spec"]["namespaceResourceWhitelist"]}
    shipped = {each["kind"] for each in render_objects(added.overlay)}
    assert allowed == shipped | {"ReplicaSet", "Pod"}


def test_everything_fits_the_nodes_that_the_cluster_has_then(added: Added) -> None:
    path = added.root / gather.CLUSTER
    resources = gather.gather(added.root, load_cluster(path))
    prices = load_prices(added.root / gather.PRICES)
    now, before = load_cluster(path), load_cluster(ROOT / gather.CLUSTER)
    assert report(resources, now, prices).fits
    grew = now.groups[0].desired > before.groups[0].desired
    assert grew or report(resources, before, prices).fits
    assert ("eksctl scale nodegroup" in added.said) is grew


@pytest.mark.parametrize("rotated", ["the new one", LAST])
def test_there_is_room_for_a_rotation_of_a_password(added: Added, rotated: str) -> None:
    """A Job more: `validate` blocked the rotation's commits in a tree that fitted without it."""
    path = added.root / gather.CLUSTER
    environment = added.name if rotated == "the new one" else rotated
    file = added.root / rotation.SecretFiles.of(environment).rotation
    before = file.read_text()
    file.write_text(before + "  - ../../../../base/postgres/rotation\n")
    try:
        resources = gather.gather(added.root, load_cluster(path))
    finally:
        file.write_text(before)
    assert "coworking-change-password" in str(resources[environment])
    assert report(resources, load_cluster(path), load_prices(added.root / gather.PRICES)).fits


def test_an_administrator_has_one_line_before_the_merge(added: Added) -> None:
    _, _, then = added.said.partition("Then, as an administrator, before this is merged:\n")
    assert then.splitlines()[0] == "  kubectl apply -k argocd/projects"
    rest = then.splitlines()[1:]
    assert any(f"make seal ENV={added.name} ARGS=--fetch" in line for line in rest)
    projects = yaml.safe_load(added.text("argocd/projects/kustomization.yaml"))["resources"]
    assert f"coworking-{added.name}.yaml" in projects


def test_commands_for_every_environment_name_it(added: Added) -> None:
    names = " ".join(overlays.environments(added.root))
    for page in ("argocd/bootstrap.md", "docs/secrets.md", "docs/cluster.md"):
        assert f"make seal ENV='{names}'" in added.text(page)
    page = added.text("docs/aws.md")
    (line,) = re.findall(r"(?m)^kubectl -n argocd delete application coworking-.*$", page)
    assert {f"coworking-{added.name}", f"postgres-{added.name}"} <= set(line.split())
    assert f"\nkubectl -n coworking-{added.name} scale statefulset postgresql" in page


@pytest.mark.thorough
def test_the_checker_finds_nothing(added: Added) -> None:
    facts = added.root / "infra" / "facts.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "ci", "validate", added.root, "--facts", facts],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_removed_again_the_tree_is_as_it_was(added: Added, tmp_path: Path) -> None:
    root = tmp_path / "removed"
    git(tmp_path, "clone", "--quiet", str(added.root), str(root))
    for key, value in {"name": "Test", "email": "test@example.org"}.items():
        git(root, "config", f"user.{key}", value)
    done = environment(root, "remove", added.name)
    assert done.returncode == 0, done.stderr
    assert git(root, "diff", "HEAD~2", "HEAD") == ""
    assert not (root / "overlays" / added.name).exists()
    stays = done.stdout.partition("What the merge leaves on the cluster")[2]
    assert "\n  argocd app confirm-deletion root" in stays
    assert f"\n  kubectl delete namespace coworking-{added.name} " in stays
    assert f"\n  kubectl -n argocd delete appproject coworking-{added.name}\n" in stays


@pytest.mark.thorough
def test_two_come_change_places_and_go_in_any_order(clone: Path) -> None:
    """One test for all of it: each command renders every environment."""
    assert environment(clone, "add", "qa", "--like", LAST).returncode == 0
    assert environment(clone, "add", "pre-qa", "--like", "qa", "--before", "qa").returncode == 0
    assert overlays.environments(clone)[-3:] == ["pre-qa", "qa", LAST]

    wanted = [*overlays.environments(clone)[:-3], "qa", "pre-qa", LAST]
    options = ("--environments", ",".join(wanted), "--root", str(clone))
    done = verbs.in_this_process("configure", *options)
    assert done.returncode == 0, done.stderr
    assert overlays.environments(clone) == wanted
    page = (clone / "argocd/bootstrap.md").read_text(encoding="utf-8")
    assert f"make seal ENV='{' '.join(wanted)}' ARGS=--fetch" in page

    assert environment(clone, "remove", "qa").returncode == 0
    assert environment(clone, "remove", "pre-qa").returncode == 0
    assert git(clone, "diff", "HEAD~5", "HEAD") == ""


@pytest.mark.thorough
def test_where_the_last_is_backed_up_another_one_is_not(clone: Path) -> None:
    """One bucket, role and path are one database's; the image of the database is the same."""
    options = ("--backup-bucket", "coworking-backups-111122223333", "--root", str(clone))
    assert verbs.in_this_process("configure", *options).returncode == 0
    done = environment(clone, "add", "qa", "--like", LAST)
    assert done.returncode == 0, done.stderr
    assert f"backups are {LAST}'s" in done.stdout
    found = render_objects(clone / "overlays/qa/postgres")
    assert not {each["kind"] for each in found} & {"CronJob", "PersistentVolumeClaim"}
    (database,) = (each for each in found if each["kind"] == "StatefulSet")
    assert database["spec"]["volumeClaimTemplates"]
    (container,) = database["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith(f"{settings.read(clone).image}-postgres:")
    assert environment(clone, "remove", "qa").returncode == 0
    assert git(clone, "diff", "HEAD~2", "HEAD") == ""


@pytest.mark.thorough
def test_like_the_first_it_has_its_demo_data_and_keeps_none(clone: Path) -> None:
    done = environment(clone, "add", "a-2nd-one", "--like", FIRST)
    assert done.returncode == 0, done.stderr
    assert not keeps_data("a-2nd-one", clone)
    kinds = {each["kind"] for each in render_objects(clone / "overlays/a-2nd-one")}
    assert "HorizontalPodAutoscaler" not in kinds
    rights = (clone / "argocd/config/argocd-rbac-cm.yaml").read_text()
    assert "p, role:developer, applications, sync, coworking-a-2nd-one/*, allow\n" in rights
    gone = environment(clone, "remove", "a-2nd-one")
    assert "confirm-deletion" not in gone.stdout
    assert git(clone, "diff", "HEAD~2", "HEAD") == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("add", "Qa", "--like", LAST), "'Qa' is not a valid name"),
        (("add", "qa-", "--like", LAST), "'qa-' is not a valid name"),
        (("add", "../qa", "--like", LAST), "'../qa' is not a valid name"),
        (("add", "q" * 53, "--like", LAST), "is not a valid name"),
        (("add", FIRST, "--like", LAST), f"the environment {FIRST} is there already"),
        (("add", "qa", "--like", "prd"), "there is no environment 'prd'"),
        (("add", "qa", "--like", LAST, "--before", "prd"), "there is no environment 'prd'"),
        (("add", "qa", "--like", LAST, "--before", FIRST), f"nothing can come before {FIRST}"),
        (("remove", "qa"), "there is no environment 'qa'"),
        (("remove", FIRST), f"{FIRST} can't be removed: the pipeline deploys to it"),
        (("remove", LAST), f"{LAST} can't be removed: promotions end there"),
    ],
)
def test_what_is_not_possible_is_refused_and_nothing_is_written(
    clone: Path, words: tuple[str, ...], sentence: str
) -> None:
    done = environment(clone, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "rev-list", "--count", "HEAD") == "1\n"


def uncommitted(clone: Path) -> str:
    (clone / "README.md").write_text("Mine.\n")
    return "changes that are not committed"


def no_certificate(clone: Path) -> str:
    (clone / "overlays" / LAST / "sealing-cert.pem").write_text("-----BEGIN\n")
    git(clone, "commit", "--quiet", "--all", "--message=Break it")
    return "sealing-cert.pem"


def no_rendering(clone: Path) -> str:
    (clone / "overlays" / LAST / "coworking" / "service.yaml").write_text("kind: [\n")
    git(clone, "commit", "--quiet", "--all", "--message=Break it")
    return "can't be rendered"


def a_hook(clone: Path) -> str:
    hook = clone / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n")
    hook.chmod(0o755)
    return "not on a Friday"


@pytest.mark.parametrize("broken", [uncommitted, no_certificate, no_rendering, a_hook])
def test_after_a_failure_the_tree_is_as_it_was(clone: Path, broken: Callable[[Path], str]) -> None:
    sentence = broken(clone)
    before = git(clone, "status", "--porcelain"), git(clone, "rev-parse", "HEAD")
    done = environment(clone, "add", "qa", "--like", LAST)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert (git(clone, "status", "--porcelain"), git(clone, "rev-parse", "HEAD")) == before
    assert not (clone / "overlays/qa").exists()
