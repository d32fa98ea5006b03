"""Whether the root of an Application's repository is the root of the tree that is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import rules
from test_unknown import APPLICATION

if TYPE_CHECKING:
    from pathlib import Path

JOB = (
    "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a, namespace: shop}\n"
    "spec: {template: {spec: {restartPolicy: Never, "
    "containers: [{name: a, image: 'registry.example.com/a:1'}]}}}\n"
)
SHOP, OTHER = "https://git.example.com/shop.git", "https://git.example.com/other.git"


def application(name: str, url: str, path: str) -> str:
    source = f"{{repoURL: '{url}', path: {path}, directory: {{recurse: true}}}}"
    return APPLICATION.replace("NAME", name).replace("SOURCE", source)


@pytest.mark.parametrize(
    ("url", "known"),
    [(SHOP, True), ("git@git.example.com:shop", True), ("local://shop", False), ("", True)],
)
def test_the_only_root_is_that_of_the_tree_where_argocd_fetches_it(
    url: str, known: bool, tmp_path: Path
) -> None:
    files = {"job.yaml": JOB, "apps/a.yaml": application("a", url, ".")}

    assert rules(tmp_path, files, "job-not-replaceable") == ["job-not-replaceable"] * known


def test_of_two_roots_neither_is_known_to_be_that_of_the_tree(tmp_path: Path) -> None:
    files = {"job.yaml": JOB, "apps/a.yaml": application("a", SHOP, ".")}
    files["apps/b.yaml"] = application("b", OTHER, "./")

    assert rules(tmp_path, files, "job-not-replaceable") == []


@pytest.mark.parametrize(
    ("url", "known"),
    [(SHOP, True), ("ssh://git@git.example.com/shop", True), (OTHER, False)],
)
def test_the_root_is_of_the_repository_that_has_a_folder_here(
    url: str, known: bool, tmp_path: Path
) -> None:
    files = {"job.yaml": JOB, "apps/a.yaml": application("a", url, ".")}
    files |= {
        "apps/b.yaml": application("b", SHOP, "web"),
        "apps/c.yaml": application("c", OTHER, "."),
    }
    files["web/a.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: shop}\n"

    assert ("job-not-replaceable" in rules(tmp_path, files, "job-not-replaceable")) is known


@pytest.mark.parametrize(("path", "known"), [("live", False), ("web", True)])
def test_another_repository_may_have_a_folder_of_the_same_name(
    path: str, known: bool, tmp_path: Path
) -> None:
    files = {
        "live/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n",
        "api/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: shop}\n",
        "web/job.yaml": JOB,
        "apps/a.yaml": application("a", SHOP, "live") + "---\n" + application("c", SHOP, path),
        "apps/c.yaml": application("e", SHOP, "api"),
        "apps/b.yaml": application("b", OTHER, "web") + "---\n" + application("d", OTHER, "gone"),
    }

    assert rules(tmp_path, files, "job-not-replaceable") == ["job-not-replaceable"] * known


@pytest.mark.parametrize(("url", "found"), [(SHOP, 1), (OTHER, 0)])
def test_a_path_of_such_a_repository_is_not_missing(url: str, found: int, tmp_path: Path) -> None:
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, namespace: shop}\n"
    files = {f"{each}/a.yaml": config.replace("NAME", each) for each in ("api", "live", "web")}
    files["apps/own.yaml"] = "---\n".join(application(each, SHOP, each) for each in ("api", "live"))
    files["apps/b.yaml"] = application("web", OTHER, "web")
    files["apps/c.yaml"] = application("gone", url, "gone")

    rule = "application-path-missing"
    assert rules(tmp_path, files, rule) == [rule] * found
