"""Configuring a fork: one file, one commit, and no copy of its values anywhere else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci.tree import carried, settings
from tests.ci import verbs
from treecheck.kustomize import render

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
FORK = {
    "--account": "210987654321",
    "--region": "eu-central-1",
    "--repository": "team/space",
    "--git-url": "https://git.example.org/team/space.git",
    "--kubernetes": "1.35",
    "--zones": "eu-central-1b,eu-central-1c",
    "--prod-cidrs": "203.0.113.0/24, 198.51.100.7/32",
    "--prod-certificate": "arn:aws:acm:eu-central-1:210987654321:certificate/0a1b",
    "--argocd-cidrs": "198.51.100.0/24",
    "--argocd-certificate": "arn:aws:acm:eu-central-1:210987654321:certificate/2c3d",
    "--place": "Bob's Loft & Co. (Mitte)",
    "--time-zone": "Europe/Berlin",
    "--owners": "@space/platform, @ada, night@example.org",
    "--signer": "1234567+bot@users.noreply.github.com",
    "--backup-bucket": "coworking-backups-210987654321",
    "--backup-days": "30",
    "--backup-endpoint": "s3.example.org",
    "--backup-region": "fsn1",
}
# What the first fork is configured with, whatever this repository is.
BEFORE = settings.Settings(
    account="183302320810",
    region="us-east-1",
    repository="coworking",
    git_url="https://github.com/example-org/coworking.git",
    kubernetes="1.32",
    zones=("us-east-1a", "us-east-1b"),
    environments=settings.read().environments,  # another verb changes which
)


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def as_before(name: str, text: str) -> str:
    """A file of this repository as it is before it is configured."""
    if name == settings.FILE:
        return carried.edit_file(text, BEFORE)
    return carried.carry(text, BEFORE) if name.endswith(".yaml") else text


@pytest.fixture(scope="module")
def first_fork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this one's files as they are now."""
    folder = tmp_path_factory.mktemp("first") / "fork"
    names = git(ROOT, "ls-files", "-z", "base", "overlays", "argocd", "infra", "settings.yaml")
    for name in filter(None, names.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(as_before(name, (ROOT / name).read_text(encoding="utf-8")), "utf-8")
    git(folder, "init", "--quiet", "--initial-branch=main", "--template=")
    git(folder, "config", "user.name", "Test")
    git(folder, "config", "user.email", "test@example.org")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=Fork")
    git(folder, "repack", "-a", "-d", "--quiet")  # few files, since each test copies them
    return folder


@pytest.fixture
def fork(first_fork: Path, tmp_path: Path) -> Path:
    """A test's own copy of the fork."""
    return shutil.copytree(first_fork, tmp_path / "fork")


def configure(
    tree: Path, run: Callable[..., verbs.Done] = verbs.in_this_process, **options: str
) -> verbs.Done:
    words = [word for pair in options.items() for word in pair]
    return run("configure", "--root", str(tree), *words)


def git_finds(folder: Path, *words: str) -> bool:
    patterns = [part for word in words for part in ("-e", word)]
    found = subprocess.run(["git", "grep", "--quiet", *patterns], cwd=folder, check=False)
    return found.returncode == 0


@pytest.mark.thorough
def test_a_fork_becomes_its_owners_with_one_commit(fork: Path) -> None:
    before = settings.read(fork)
    done = configure(fork, verbs.as_a_process, **FORK)
    assert done.returncode == 0, done.stderr
    assert git(fork, "rev-list", "--count", "HEAD").strip() == "2"
    assert git(fork, "status", "--porcelain") == ""
    assert settings.read(fork) == settings.Settings(
        account="210987654321",
        region="eu-central-1",
        repository="team/space",
        git_url="https://git.example.org/team/space.git",
        kubernetes="1.35",
        zones=("eu-central-1b", "eu-central-1c"),
        environments=BEFORE.environments,
        prod_cidrs=("203.0.113.0/24", "198.51.100.7/32"),
        prod_certificate="arn:aws:acm:eu-central-1:210987654321:certificate/0a1b",
        argocd_cidrs=("198.51.100.0/24",),
        argocd_certificate="arn:aws:acm:eu-central-1:210987654321:certificate/2c3d",
        place="Bob's Loft & Co. (Mitte)",
        time_zone="Europe/Berlin",
        owners=("@space/platform", "@ada", "night@example.org"),
        signer="1234567+bot@users.noreply.github.com",
        backup_bucket="coworking-backups-210987654321",
        backup_days="30",
        backup_endpoint="s3.example.org",
        backup_region="fsn1",
    )
    for environment in BEFORE.environments:
        rendered = render(fork / "overlays" / environment)
        assert "210987654321.dkr.ecr.eu-central-1.amazonaws.com/team/space:" in rendered
        assert "PLACE_NAME: Bob's Loft & Co. (Mitte)" in rendered
        assert "PLACE_TIME_ZONE: Europe/Berlin" in rendered
    assert FORK["--git-url"] in render(fork / "argocd/apps")
    assert not git_finds(fork, before.account, before.git_url)


def test_there_and_back_again_is_the_same_tree(fork: Path) -> None:
    before = settings.read(fork)
    configure(fork, **FORK)
    back = {
        f"--{name.replace('_', '-')}": settings.typed(value)
        for name, value in before._asdict().items()
    }
    configure(fork, **back)
    assert git(fork, "diff", "HEAD~2", "HEAD") == ""


def test_one_setting_alone_leaves_the_others(fork: Path) -> None:
    before = settings.read(fork)
    configure(fork, **{"--repository": "other"})
    assert settings.read(fork) == before._replace(repository="other")
    assert (
        "# where the cluster and the image repository are" in (fork / "settings.yaml").read_text()
    )


def test_what_it_says_already_makes_no_commit(fork: Path) -> None:
    done = configure(fork, **{"--region": settings.read(fork).region})
    assert done.returncode == 0
    assert "no commit was made" in done.stdout
    assert git(fork, "rev-list", "--count", "HEAD").strip() == "1"


def test_a_work_tree_with_changes_is_refused(fork: Path) -> None:
    (fork / "base/coworking/service.yaml").write_text("# mine\n")
    done = configure(fork, **FORK)
    assert done.returncode == 2
    assert "base/coworking/service.yaml" in done.stderr
    assert settings.read(fork) == BEFORE


def test_a_commit_that_git_refuses_leaves_the_tree_as_it_was(fork: Path) -> None:
    """The changes stayed, and the next call refused them as somebody's own."""
    hook = fork / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    done = configure(fork, **FORK)
    assert done.returncode == 1
    assert "not today" in done.stderr
    assert git(fork, "status", "--porcelain") == ""
    hook.unlink()
    lock = fork / ".git/index.lock"
    lock.touch()
    assert configure(fork, **FORK).returncode == 1
    lock.unlink()
    assert git(fork, "status", "--porcelain") == ""
    assert configure(fork, **FORK).returncode == 0


def test_a_marked_file_that_is_not_utf_8_is_named(fork: Path) -> None:
    (fork / "base/odd.yaml").write_bytes(b"a: x # settings: {region} \xff\n")
    git(fork, "add", ".")
    git(fork, "commit", "--quiet", "--message=Odd")
    done = configure(fork, **FORK)
    assert done.returncode == 2
    assert "base/odd.yaml is not UTF-8" in done.stderr
    assert git(fork, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--account", "12345", "account is '12345', and it takes twelve digits"),
        ("--account", "1234-5678-9012", "it takes twelve digits"),
        ("--account", "\N{ARABIC-INDIC DIGIT ONE}" * 12, "it takes twelve digits"),
        ("--region", "Frankfurt", "region is 'Frankfurt', and it takes an AWS region"),
        ("--region", "us-east-1a", "an AWS region"),
        ("--repository", "Co Working", "repository is 'Co Working'"),
        ("--repository", "a", "2 to 247"),
        ("--git-url", "https://me:token@github.com/me/x.git", "without a password in it"),
        ("--git-url", "ftp://example.org/x.git", "an https or ssh address"),
        ("--git-url", "https://github.com/me/x.git # mine", "an https or ssh address"),
        ("--kubernetes", "1.31", "a version that Argo CD 3.4 is tested with: 1.32, 1.33"),
        ("--kubernetes", "v1.32", "a version that Argo CD 3.4 is tested with"),
        ("--zones", "us-east-1a", "zones is us-east-1a, and it takes two or more"),
        ("--zones", "us-east-1a,us-east-1a", "us-east-1a is there twice"),
        ("--zones", "use1-az1,use1-az2", "two or more availability zones of the region"),
        ("--zones", "none", "two or more availability zones of the region"),
        ("--prod-cidrs", "203.0.113.9/24", "bits beyond its length; the range is 203.0.113.0/24"),
        ("--prod-cidrs", "203.0.113.9", "203.0.113.9 has no length; one address is 203.0.113.9/32"),
        ("--prod-cidrs", "203.0.113.0/255.255.255.0", "is written as 203.0.113.0/24"),
        ("--prod-cidrs", "2001:db8::/32", "has IPv4 addresses only"),
        ("--prod-cidrs", "203.0.113.0/24,203.0.113.0/24", "203.0.113.0/24 is there twice"),
        ("--prod-cidrs", "0/0", "0/0 is not a valid range"),
        ("--prod-cidrs", "everybody", "everybody is not a valid range"),
        ("--argocd-cidrs", "10.0.0.0/40", "10.0.0.0/40 is not a valid range"),
        ("--prod-certificate", "arn:aws:iam::123456789012:server-certificate/x", "in ACM, or none"),
        ("--account", "none", "it takes twelve digits"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_with_one_that_is(
    tmp_path: Path, option: str, value: str, sentence: str
) -> None:
    done = configure(tmp_path, **{option: value})
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "For example " in done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"--region": "eu-north-1"},
            "zones is us-east-1a,us-east-1b, and the region is eu-north-1",
        ),
        ({"--zones": "eu-north-1a,us-east-1b"}, "and the region is us-east-1"),
        (
            {"--prod-certificate": "arn:aws:acm:eu-north-1:183302320810:certificate/1"},
            "the load balancer is in us-east-1 of account 183302320810",
        ),
        (
            {"--argocd-certificate": "arn:aws:acm:us-east-1:123456789012:certificate/1"},
            "a certificate of its own region and account only",
        ),
        ({"--prod-cidrs": "203.0.113.0/24,10.0.0.0/8"}, "10.0.0.0/8 is private"),
    ],
)
def test_values_that_do_not_fit_each_other_are_refused(
    fork: Path, options: dict[str, str], sentence: str
) -> None:
    done = configure(fork, **options)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "make configure" in done.stderr or "Name ranges of one kind" in done.stderr
    assert git(fork, "status", "--porcelain") == ""


def test_a_new_region_asks_for_its_zones_with_a_command_that_works(fork: Path) -> None:
    asked = configure(fork, **{"--region": "eu-north-1"}).stderr
    (line,) = [line for line in asked.splitlines() if line.startswith("make configure")]
    words = dict(word.split("=") for word in line.split()[2:])
    done = configure(fork, **{f"--{name.lower()}": value for name, value in words.items()})
    assert done.returncode == 0, done.stderr
    assert settings.read(fork).zones == ("eu-north-1a", "eu-north-1b")


def test_none_clears_a_value(fork: Path) -> None:
    configure(fork, **FORK)
    cleared = ("--prod-cidrs", "--prod-certificate", "--argocd-cidrs", "--argocd-certificate")
    done = configure(fork, **dict.fromkeys(cleared, "none"))
    assert done.returncode == 0, done.stderr
    found = settings.read(fork)
    assert (found.prod_cidrs, found.prod_certificate) == ((), "")
    assert (found.argocd_cidrs, found.argocd_certificate) == ((), "")


@pytest.mark.parametrize("ranges", ["0.0.0.0/0", "0.0.0.0/1,128.0.0.0/1"])
def test_the_whole_internet_is_let_in_with_a_warning(fork: Path, ranges: str) -> None:
    done = configure(fork, **{"--prod-cidrs": ranges})
    assert done.returncode == 0
    assert "warning: prod_cidrs lets the whole internet in" in done.stderr
    assert "plain HTTP" in done.stderr
    quiet = configure(fork, **{"--prod-cidrs": "203.0.113.0/24"})
    assert "whole internet" not in quiet.stderr


def test_make_passes_every_setting_on() -> None:
    names = [name.upper() for name in settings.SETTINGS]
    given = [f"{name}=value-of-{name}" for name in names]
    words = ["make", "--dry-run", "--silent", "configure", *given]
    printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names:
        assert f"--{name.lower().replace('_', '-')} 'value-of-{name}'" in printed


def test_nothing_given_lists_what_there_is() -> None:
    done = configure(ROOT)
    assert done.returncode == 2
    assert "make configure ACCOUNT= REGION=" in done.stderr
    for name, setting in settings.SETTINGS.items():
        assert f"{name.upper()}  {setting.help}" in done.stderr


@pytest.mark.parametrize("wrong", ["dev,one-more,prod", "prod,dev"])
def test_an_environment_is_neither_added_nor_moved_to_an_end(fork: Path, wrong: str) -> None:
    done = configure(fork, **{"--environments": wrong})
    assert done.returncode == 2
    assert f"can't make it {wrong}" in done.stderr
    assert "python -m ci environment add NAME --like prod" in done.stderr
    assert git(fork, "status", "--porcelain") == ""
