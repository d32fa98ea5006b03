"""Two images in one file, and what GitHub leaves of a message: each image keeps its own order."""

from __future__ import annotations

from typing import Any

import pytest

Remote = Any
FILE = "overlays/dev/coworking/image/kustomization.yaml"
HOST = "183302320810.dkr.ecr.us-east-1.amazonaws.com"
TWO = f"""\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
- name: coworking
  newName: {HOST}/coworking
  newTag: none
- name: bookings
  newName: {HOST}/bookings
  newTag: none
"""


@pytest.fixture
def both(remote: Remote) -> Remote:
    """The branch, with two images in the file."""
    remote.person.commit(FILE, TWO)
    remote.person.push()
    return remote


def deploy(remote: Remote, image: str, build: int, commit: str, **options: Any) -> Any:
    return remote.deploy(build, commit, image=image, registry=f"{HOST}/{image}", **options)


def test_two_images_of_one_commit_both_go_out(both: Remote) -> None:
    """The second was answered `superseded`, for the first one's deployment."""
    commit = both.person.ship()
    assert deploy(both, "bookings", 7, commit).json["result"] == "pushed"
    assert deploy(both, "coworking", 4, commit).json["result"] == "pushed"
    assert both.file().count(f"-{commit[:8]}") == 2


def test_an_older_commit_of_the_other_image_still_goes_out(both: Remote) -> None:
    older, newer = both.person.ship(), both.person.ship()
    deploy(both, "bookings", 2, newer)
    assert deploy(both, "coworking", 1, older).json["result"] == "pushed"
    assert deploy(both, "coworking", 1, older).json["result"] == "noop"
    assert deploy(both, "bookings", 3, older).json["reason"] == "older-commit"


def test_a_reverted_deployment_keeps_only_its_own_image_out(both: Remote) -> None:
    commit = both.person.ship()
    deployment = deploy(both, "bookings", 2, commit).json["commit"]
    both.person.pull()
    both.person.git("revert", "--no-edit", deployment)
    both.person.push()
    assert deploy(both, "bookings", 3, commit).json["reason"] == "reverted"
    assert deploy(both, "coworking", 3, commit).json["result"] == "pushed"


def test_a_merge_of_both_images_counts_as_neither_ones_deployment(both: Remote) -> None:
    """The merge differs from both of its parents, each time by the other side's image."""
    first, second = both.person.ship(), both.person.ship()
    start = both.tip
    deploy(both, "coworking", 1, second)
    both.person.git("checkout", "-q", "-B", "side", start)
    text = TWO.replace("name: coworking\n", "name: coworking\n", 1)
    both.person.commit(FILE, text.rpartition("none")[0] + f'"1-{second[:8]}"\n')
    both.person.git("fetch", "-q", "origin", "main")
    both.person.git("merge", "-q", "--no-edit", "-X", "ours", "FETCH_HEAD")
    both.person.push()
    assert deploy(both, "coworking", 2, first).json["reason"] == "older-commit"
    assert deploy(both, "bookings", 2, first).json["reason"] == "older-commit"
