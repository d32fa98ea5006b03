"""`python -m ci diff` on a real repository, and the comment on a server that speaks GitHub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.ci import verbs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ci.github import GitHub

KUSTOMIZATION = """apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: shop
resources: [deployment.yaml]
configMapGenerator:
  - name: web
    literals: [LOG_LEVEL=info]
"""
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: registry.example.com/shop/web:1.4.2
          envFrom: [{configMapRef: {name: web}}]
"""


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def first_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """main has an overlay; branch `proposal` changes its configuration; main went on meanwhile."""
    folder = tmp_path_factory.mktemp("first") / "repository"
    overlay = folder / "overlays" / "prod"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text(KUSTOMIZATION, encoding="utf-8")
    (overlay / "deployment.yaml").write_text(DEPLOYMENT, encoding="utf-8")
    git(folder, "init", "--quiet", "--initial-branch=main", "--template=")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Begin")
    git(folder, "switch", "--quiet", "-c", "proposal")
    changed = KUSTOMIZATION.replace("info", "debug")
    (overlay / "kustomization.yaml").write_text(changed, encoding="utf-8")
    git(folder, "commit", "--quiet", "-am", "Log more")
    git(folder, "switch", "--quiet", "main")
    other = DEPLOYMENT.replace("1.4.2", "1.4.3")
    (overlay / "deployment.yaml").write_text(other, encoding="utf-8")
    git(folder, "commit", "--quiet", "-am", "Deploy 1.4.3")
    return folder


@pytest.fixture
def repository(first_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A test's own copy, which it is in, without what a pull request's build sets."""
    folder: Path = shutil.copytree(first_repository, tmp_path / "repository")
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "PULL_"))]:
        monkeypatch.delenv(name)
    return folder


def diff(*arguments: str) -> verbs.Done:
    return verbs.in_this_process("diff", *arguments)


def test_it_compares_with_the_merge_base_and_folds_the_hash_of_a_generated_name(
    repository: Path,
) -> None:
    done = verbs.as_a_process("diff", "--base", "main", "--head", "proposal", cwd=repository)

    assert done.returncode == 0, done.stderr
    assert "| `overlays/prod` | 1 resource, nothing risky |" in done.stdout
    assert "`ConfigMap shop/web`: this restarts 2 pods of Deployment shop/web" in done.stdout
    assert "-  LOG_LEVEL: info\n+  LOG_LEVEL: debug" in done.stdout
    assert "1.4.3" not in done.stdout, "what main did meanwhile is not the proposal's"
    assert git(repository, "status", "--porcelain") == ""


def test_without_a_head_it_shows_the_files_as_they_are(repository: Path) -> None:
    file = repository / "overlays" / "prod" / "deployment.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("replicas: 2", "replicas: 0"))

    done = diff("--base", "HEAD", "--format", "json")

    environment = json.loads(done.stdout)["environments"][0]
    assert environment["verdict"] == "1 resource, 1 risk"
    assert environment["risks"][0]["message"] == "this stops every pod: replicas is 0"


@pytest.mark.usefixtures("repository")
def test_an_unknown_base_is_named() -> None:
    done = diff("--base", "no-such-branch")

    assert done.returncode == 2
    assert "'no-such-branch' is not a commit of this repository" in done.stderr


@pytest.mark.usefixtures("repository")
def test_posting_creates_one_comment_and_then_updates_it(
    github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "t0ken")
    monkeypatch.setenv("GITHUB_REPOSITORY", "shop/shop")
    monkeypatch.setenv("PULL_REQUEST", "7")
    monkeypatch.setenv("GITHUB_API_URL", github.address)
    done = [
        diff("--base", "main", "--head", head, "--post")
        for head in ("proposal", "proposal", "proposal~1")
    ]

    assert [each.stdout for each in done] == ["", "", ""]
    assert [each.stderr.strip() for each in done] == [
        f"comment {word} on shop/shop#7" for word in ("created", "unchanged", "updated")
    ]
    assert github.writes == ["POST", "PATCH"]
    assert len(github.comments) == 131
    assert "no change" in str(github.comments[-1]["body"])


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(("trigger", "status"), [("pr/7", 0), ("branch/main", 2), (None, 2)])
def test_a_build_knows_its_pull_request(
    github: GitHub, monkeypatch: pytest.MonkeyPatch, trigger: str | None, status: int
) -> None:
    monkeypatch.delenv("CODEBUILD_WEBHOOK_TRIGGER", raising=False)
    monkeypatch.setenv("GITHUB_TOKEN", "t0ken")
    monkeypatch.setenv("GITHUB_API_URL", github.address)
    monkeypatch.setenv("CODEBUILD_SOURCE_REPO_URL", "https://github.com/shop/shop.git")
    if trigger is not None:
        monkeypatch.setenv("CODEBUILD_WEBHOOK_TRIGGER", trigger)

    done = diff("--base", "main", "--head", "proposal", "--post")

    assert done.returncode == status
    said = "comment created on shop/shop#7" if trigger == "pr/7" else "PULL_REQUEST is '"
    assert said in done.stderr


@pytest.mark.usefixtures("repository")
def test_a_fork_without_a_token_only_writes(tmp_path: Path) -> None:
    written = tmp_path / "comment.md"

    done = diff("--base", "main", "--head", "proposal", "--post", "--output", str(written))

    assert done.returncode == 0
    assert "no GITHUB_TOKEN, so no comment is posted" in done.stderr
    assert "LOG_LEVEL: debug" in written.read_text(encoding="utf-8")
    shown = diff("--base", "main", "--head", "proposal", "--post").stdout
    assert shown == written.read_text(encoding="utf-8")


def test_a_link_that_leads_out_of_the_tree_is_left_out(repository: Path) -> None:
    """One such link anywhere, in a page's folder, say, ended every comparison."""
    for name, target in (("absolute", "/etc/hostname"), ("above", "../../elsewhere")):
        (repository / name).symlink_to(target)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "Link")
    done = diff("--base", "HEAD~1", "--head", "HEAD")
    assert done.returncode == 0, done.stderr
    assert "no change" in done.stdout


@pytest.mark.usefixtures("repository")
def test_a_file_that_cannot_be_written_is_named() -> None:
    done = diff("--base", "main", "--output", "no/such/folder/comment.md")
    assert done.returncode == 2
    assert "--output 'no/such/folder/comment.md' can't be written: No such file" in done.stderr
