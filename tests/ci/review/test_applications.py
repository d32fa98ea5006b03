"""What an Application's own fields do to all that lies behind it, and what nobody renders here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci.review.application_risks import application_moves, security_lowered
from ci.review.markdown import write_markdown
from ci.review.outside import moved
from ci.review.report import make_report
from ci.review.trees import read_tree

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
REMOTE = "https://git.example.com/add-ons/v1.2.0/all.yaml"


def application(**fields: Any) -> dict[str, Any]:
    source = {
        "repoURL": "https://git.example.com/shop.git",
        "path": "shop",
        "targetRevision": "main",
    }
    where = {"server": "https://kubernetes.default.svc", "namespace": "shop"}
    spec = {"source": source | fields.pop("source", {}), "destination": where} | fields
    return {"kind": "Application", "spec": spec}


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            application(destination={"name": "east", "namespace": "shop"}),
            "it moves from namespace shop of https://kubernetes.default.svc to namespace shop of",
        ),
        (application(source={"targetRevision": "v2"}), "it follows v2 instead of main"),
        (application(source={"path": "store"}), "the folder is store instead of shop"),
        (
            application(source={"kustomize": {"replicas": [{"name": "web", "count": "0"}]}}),
            "it sets 0 replicas of web over what the folder says: this stops every pod of it",
        ),
        (application(source={"kustomize": {"images": ["web:2"]}}), "it sets the image web:2 over"),
        (application(source={"kustomize": {"namePrefix": "x-"}}), "its namePrefix is x- instead"),
        (application(sources=[{}, {}]), "it has 2 sources instead of 1"),
    ],
)
def test_it_says_what_a_changed_application_does(after: dict[str, Any], said: str) -> None:
    assert any(each.startswith(said) for each in application_moves(application(), after))


def test_it_says_nothing_of_what_stays() -> None:
    same = application(source={"kustomize": {"images": ["web:1"]}})

    assert list(application_moves(same, same)) == []


@pytest.mark.parametrize(
    ("kind", "before", "after", "said"),
    [
        ("Namespace", "restricted", "baseline", ["'baseline' instead of 'restricted'"]),
        ("Application", "baseline", None, ["'privileged' instead of 'baseline'"]),
        ("Namespace", "baseline", "restricted", []),
    ],
)
def test_it_says_when_a_namespace_enforces_less(
    kind: str, before: str, after: str | None, said: list[str]
) -> None:
    def manifest(level: str | None) -> dict[str, Any]:
        labels = {"pod-security.kubernetes.io/enforce": level} if level else {"team": "shop"}
        if kind == "Namespace":
            return {"kind": kind, "metadata": {"labels": labels}}
        managed = {"syncPolicy": {"managedNamespaceMetadata": {"labels": labels}}}
        return {"kind": kind, "spec": managed}

    found = list(security_lowered(manifest(before), manifest(after)))
    assert [each.partition("Pod Security ")[2] for each in found] == said


def test_what_comes_from_outside_comes_goes_or_changes() -> None:
    before = {"a": ["one/v1"], "b": ["two"], "c": ["same"]}
    after = {"a": ["one/v2"], "c": ["same", "chart redis 1"]}

    assert moved(before, after) == {
        "a": ["one/v1 becomes one/v2: what that changes is not known here"],
        "b": ["two is gone, and what it brought goes with it"],
        "c": ["chart redis 1 is new: what it brings is not known here"],
    }


def test_the_comment_shows_a_remote_bases_new_version_as_a_risk(tmp_path: Path) -> None:
    trees = []
    for side, address in (("old", REMOTE), ("new", REMOTE.replace("v1.2.0", "v1.3.0"))):
        folder = (tmp_path / side / "add-ons").resolve()
        folder.mkdir(parents=True)
        (folder / "kustomization.yaml").write_text(HEAD + f"resources: [{address}]\n", "utf-8")
        trees.append(read_tree(folder.parent))

    comment = write_markdown(make_report(*trees))

    assert "| `add-ons` | what it builds on, **1 risk** |" in comment
    assert "v1.2.0/all.yaml becomes https://git.example.com/add-ons/v1.3.0/all.yaml" in comment


def overlay(root: Path, level: str, policy: str = "{automated: {prune: true}}") -> None:
    for env in ("dev", "prod"):
        folder = root / "overlays" / env
        folder.mkdir(parents=True)
        (folder / "kustomization.yaml").write_text(HEAD + "resources: [settings.yaml]\n", "utf-8")
        text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: s, namespace: {env}}}\ndata: "
        own = level if env == "prod" else "info"
        (folder / "settings.yaml").write_text(text + f"{{LEVEL: {own}}}\n", "utf-8")
    (root / "apps.yaml").write_text(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\n"
        "metadata: {name: prod, namespace: argocd}\nspec:\n  project: default\n"
        "  source: {repoURL: 'https://git.example.com/shop.git', path: overlays/prod}\n"
        "  destination: {server: 'https://kubernetes.default.svc', namespace: prod}\n"
        f"  syncPolicy: {policy}\n",
        "utf-8",
    )


def test_the_first_line_says_what_goes_live_where(tmp_path: Path) -> None:
    overlay(tmp_path / "old", "info")
    overlay(tmp_path / "new", "debug")
    trees = [read_tree((tmp_path / side).resolve()) for side in ("old", "new")]

    assert write_markdown(make_report(*trees)).splitlines()[1] == (
        "**Live at the merge:** `overlays/dev` nothing; `overlays/prod` 1 resource. "
        "**Waits for a promotion:** nothing."
    )
    built = write_markdown(make_report(trees[0], trees[0], builds=True)).splitlines()[1]
    assert built == (
        "**Live at the merge:** `overlays/dev` nothing; `overlays/prod` nothing. "
        "**Waits for a promotion:** the service's code, built then and live in dev first."
    )


def test_what_somebody_syncs_by_hand_is_not_called_live(tmp_path: Path) -> None:
    overlay(tmp_path / "old", "info", "{}")
    overlay(tmp_path / "new", "debug", "{}")
    trees = [read_tree((tmp_path / side).resolve()) for side in ("old", "new")]

    first = write_markdown(make_report(*trees)).splitlines()[1]
    assert "`overlays/prod` 1 resource, once somebody syncs it." in first
