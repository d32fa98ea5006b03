"""Which version each commit of the history deployed, and who is asked for it in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ci.argocd.application import Entry, Operation
from ci.argocd.client import ArgoError
from ci.oncall.versions import SLACK, Versions, made_by, name_versions, unwanted_tag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci.argocd.application import Application

    Made = Callable[..., Application]

A, B, C = ("a" * 40, "b" * 40, "c" * 40)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
BEGAN = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def app(recorded: Callable[[str], Application]) -> Made:
    """An Application whose syncs of these commits took a minute each, an hour apart."""

    def make(*revisions: str, **fields: Any) -> Application:
        entries = tuple(
            Entry(n, name, BEGAN + n * 60 * MINUTE + MINUTE, "", BEGAN + n * 60 * MINUTE)
            for n, name in enumerate(revisions)
        )
        known = {"entries": entries, "revision": "", "operation": None} | fields
        return recorded("rolled-back")._replace(**known)

    return make


def synced(revision: str, phase: str = "Succeeded") -> Operation:
    return Operation(phase, "", revision, None, (), 0)


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def running(tag: str) -> dict[str, Any]:
    containers = [{"name": "coworking", "image": f"r.example.com/coworking:{tag}"}]
    template = {"spec": {"containers": containers}}
    return {"kind": "Deployment", "metadata": {"name": "coworking"}, "spec": {"template": template}}


class Answers:
    """Argo CD: what it renders a commit to, what the cluster has, and when it has it from."""

    def __init__(self, rendered: dict[str, str], refusal: str = "the repo server is away") -> None:
        self.rendered, self.refusal = rendered, refusal
        self.replica_sets: dict[str, tuple[str, datetime | None]] = {}
        self.live = ""
        self.asked: list[str] = []
        self.cluster_is_away = False

    def manifests(self, _app: str, revision: str, *, within: float) -> list[dict[str, Any]]:
        assert within < 60
        self.asked.append(revision)
        if revision not in self.rendered:
            raise ArgoError("no answer", reason=self.refusal)
        return [running(self.rendered[revision])]

    def resource_tree(self, _app: str) -> dict[str, Any]:
        if self.cluster_is_away:
            raise ArgoError("no answer")
        made = [
            {"kind": "ReplicaSet", "name": name, "createdAt": stamp(at) if at else None}
            for name, (_, at) in self.replica_sets.items()
        ]
        return {"nodes": [{"kind": "Pod", "name": "coworking-1-x"}, *made]}

    def resource(self, _app: str, node: dict[str, str]) -> dict[str, Any]:
        if node["kind"] == "ReplicaSet":
            return running(self.replica_sets[node["name"]][0])
        return running(self.live)


def name(api: Answers, app: Application, checkout: Path) -> Versions:
    asked: Any = api
    return name_versions(asked, app, "prod", checkout=checkout)


def test_what_argo_cd_renders_counts_and_each_commit_is_rendered_once(
    app: Made, tmp_path: Path
) -> None:
    api = Answers({A: "1-a", B: "2-b", C: "3-c"})
    known = name(api, app(A, B, A, revision=C, operation=synced(B)), tmp_path)

    assert known == Versions({A: "1-a", B: "2-b", C: "3-c"}, "", ())
    assert sorted(api.asked) == [A, B, C]
    assert known.tag(C) == "3-c"
    assert known.tag("unknown") == ""
    assert known.remark == ""


def test_a_branch_or_nothing_is_not_asked_for_as_a_commit(app: Made, tmp_path: Path) -> None:
    api = Answers({A: "1-a"})
    name(api, app(A, revision="main", operation=synced("")), tmp_path)
    assert api.asked == [A]


def test_the_cluster_names_what_can_not_be_rendered(app: Made, tmp_path: Path) -> None:
    api = Answers({})
    api.replica_sets = {
        "coworking-1": ("1-a", BEGAN + SECOND),
        "other-1": ("9-x", BEGAN + SECOND),
        "coworking-2": ("8-y", BEGAN + 30 * MINUTE),  # by hand, between two syncs
        "coworking-3": ("7-z", None),
    }
    api.live = "2-b"
    known = name(api, app(A, B, operation=synced(B)), tmp_path)

    assert known.tags == {A: "1-a", B: "2-b"}
    assert known.unnamed == ()
    assert known.trouble == "the repo server is away"
    assert known.remark.splitlines() == [
        "Argo CD can't render every version now: the repo server is away",
        "The versions are named by this checkout and by what the cluster has.",
    ]


@pytest.mark.parametrize(
    "operation",
    [None, synced(A), synced(B, "Failed"), synced(B, "Running")],
    ids=["none", "of another commit", "that failed", "that is not done"],
)
def test_what_runs_does_not_name_the_newest_entry_after_a_sync(
    app: Made, tmp_path: Path, operation: Operation | None
) -> None:
    """The cluster may have something else by then."""
    api = Answers({})
    api.live = "2-b"
    known = name(api, app(A, B, operation=operation), tmp_path)

    assert known.tags == {}
    assert [entry.id for entry in known.unnamed] == [0, 1]
    assert known.remark.splitlines()[1] == (
        "The version of these entries is not known: 0 (commit aaaaaaaa), 1 (commit bbbbbbbb)"
    )


def test_a_render_goes_before_the_cluster_and_a_nameless_one_is_none(
    app: Made, tmp_path: Path
) -> None:
    api = Answers({A: "1-a"})
    api.replica_sets = {"coworking-1": ("9-x", BEGAN), "coworking-2": ("", BEGAN + 60 * MINUTE)}
    known = name(api, app(A, B), tmp_path)
    assert known.tags == {A: "1-a"}
    assert [entry.id for entry in known.unnamed] == [1]


def test_without_the_cluster_the_rest_is_named(app: Made, tmp_path: Path) -> None:
    api = Answers({A: "1-a"})
    api.cluster_is_away = True
    known = name(api, app(A, B), tmp_path)
    assert known.tags == {A: "1-a"}


def test_the_trouble_is_of_the_first_entry_and_shortened_in_its_middle(
    app: Made, tmp_path: Path
) -> None:
    fits, long = "x" * 200, "y " * 60 + "z" * 100
    assert name(Answers({}, fits), app(A), tmp_path).trouble == fits
    assert name(Answers({}, long), app(A), tmp_path).trouble == f"{long[:120]} … {'z' * 75}"
    # Nobody goes back to what is not in the history, so its trouble does not count.
    assert name(Answers({A: "1-a"}), app(A, revision=B), tmp_path).trouble == ""


@pytest.mark.parametrize(
    ("revisions", "fields", "expected"),
    [
        pytest.param((A, B), {"revision": C}, "3-c", id="git asks for it"),
        pytest.param((A, B), {"operation": synced(C)}, "3-c", id="its sync never ended well"),
        pytest.param((A, B), {"operation": synced("f" * 40)}, "ffffffff", id="an unknown one"),
        pytest.param((A, B), {"operation": synced(B)}, "2-b", id="the newest is synced"),
        pytest.param((A, B), {"operation": synced("")}, "2-b", id="the sync names no commit"),
        pytest.param((A, B, A), {"operation": synced(A)}, "2-b", id="rolled back from"),
        pytest.param((A, B), {}, "2-b", id="the newest"),
        pytest.param((), {}, "", id="no history"),
    ],
)
def test_the_unwanted_version_is_what_git_asks_for_as_far_as_that_is_known(
    app: Made, revisions: tuple[str, ...], fields: dict[str, Any], expected: str
) -> None:
    known = Versions({A: "1-a", B: "2-b", C: "3-c"}, "", ())
    assert unwanted_tag(app(*revisions, **fields), known) == expected


@pytest.mark.parametrize(
    ("created", "entry"),
    [
        (BEGAN - 2 * SECOND, None),
        (BEGAN - SECOND, 0),  # the times are whole seconds
        (BEGAN + MINUTE + SLACK, 0),
        (BEGAN + MINUTE + SLACK + SECOND, None),
        (BEGAN + 60 * MINUTE, 1),
        (None, None),
    ],
)
def test_a_replica_set_is_of_the_sync_during_which_it_was_made(
    app: Made, created: datetime | None, entry: int | None
) -> None:
    found = made_by(app(A, B).entries, created)
    assert (found.id if found else None) == entry


def test_an_entry_without_its_times_made_nothing(app: Made) -> None:
    (one,) = app(A).entries
    assert made_by([one._replace(began=None)], BEGAN) is None
    assert made_by([one._replace(at=None)], BEGAN) is None
