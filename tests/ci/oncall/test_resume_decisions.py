"""What `resume` says and plans, and when it goes on, each by itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ci.argocd.application import ResourceStatus
from ci.errors import CiError, InputError
from ci.oncall import resume
from ci.oncall.rolled_back import RolledBack
from ci.version.order import Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.argocd.application import Application

NEWER = (Version("cccccccc11", "3-ccccccc", None, None),)
UNWANTED = (Version("bbbbbbbb11", "2-bbbbbbb", None, None),)
ACCEPT = "Is it the fix? Let it go live:   python -m ci resume prod --accept"
STAY = "Stay on 1-aaaaaaa:   python -m ci resume prod --stay"
REVERT = "Otherwise revert the commits of the other changes first."


def agreed(options: str) -> str:
    return f"Agreed? python -m ci resume prod{options} --accept   (pods may be replaced)"


@pytest.fixture
def diverged(recorded: Callable[[str], Application]) -> Callable[..., resume.Divergence]:
    """What runs is 1-aaaaaaa; git asks for the newest of what came since."""

    def make(
        newer: tuple[Version, ...] = (),
        unwanted: tuple[Version, ...] = UNWANTED,
        other: tuple[str, ...] = (),
    ) -> resume.Divergence:
        wanted = [*newer, *unwanted, Version("a", "1-aaaaaaa", None, None)][0].tag
        overlay: Any = SimpleNamespace(entry=SimpleNamespace(tag=wanted), path="image.yaml")
        app = recorded("rolled-back")._replace(branch="main", auto_sync=False)
        undo = RolledBack(unwanted, newer)
        return resume.Divergence(app, "1-aaaaaaa", "tip", overlay, undo, list(other))

    return make


@pytest.mark.parametrize(
    ("newer", "other", "stay", "hints"),
    [
        (NEWER, (), False, [ACCEPT, STAY]),
        (NEWER, ("+ x",), False, [ACCEPT, STAY, REVERT]),
        (NEWER, ("+ x",), True, [agreed(" --stay"), REVERT]),
        ((), ("+ x",), False, [agreed(""), REVERT]),
        ((), ("+ x",), True, [agreed(""), REVERT]),
    ],
)
def test_each_surprise_names_the_calls_that_are_possible_and_no_other(
    diverged: Callable[..., resume.Divergence],
    newer: tuple[Version, ...],
    other: tuple[str, ...],
    stay: bool,
    hints: list[str],
) -> None:
    found = diverged(newer, other=other)

    with pytest.raises(CiError) as raised:
        resume.refuse_surprises(found, "prod", accept=False, stay=stay)
    assert raised.value.hint.splitlines() == hints
    resume.refuse_surprises(found, "prod", accept=True, stay=stay)


def test_no_surprise_stops_nobody(diverged: Callable[..., resume.Divergence]) -> None:
    resume.refuse_surprises(diverged(), "prod", accept=False, stay=False)
    resume.refuse_surprises(diverged(NEWER), "prod", accept=False, stay=True)


def test_what_git_has_besides_is_shown(diverged: Callable[..., resume.Divergence]) -> None:
    moved = (
        "git has moved on: 3-ccccccc was deployed to it after the version that was rolled back"
        " from (commit cccccccc)"
    )
    alone = "git has moved on with other changes, and they would go live with auto-sync:"
    also = "git also has other changes, and they would go live with auto-sync:"
    both = diverged(NEWER, other=("+ x", "- y"))

    assert resume.besides(diverged(NEWER), stay=False) == [moved]
    assert resume.besides(diverged(NEWER), stay=True) == []
    assert resume.besides(both, stay=False) == [moved, also, "+ x", "- y"]
    assert resume.besides(both, stay=True) == [alone, "+ x", "- y"]
    assert resume.besides(diverged(), stay=False) == []


WAIT = "wait until Argo CD sees that git asks for what runs"
ON = "turn auto-sync on (remove automated.enabled)"


def back(wanted: str, commits: str) -> str:
    return (
        f"set the tag in image.yaml from {wanted} back to 1-aaaaaaa, which reverts {commits}, and"
        " push to main"
    )


@pytest.mark.parametrize(
    ("newer", "unwanted", "other", "options", "planned"),
    [
        ((), UNWANTED, (), {}, [back("2-bbbbbbb", "bbbbbbbb"), WAIT, ON]),
        (NEWER, UNWANTED, (), {}, [back("3-ccccccc", "cccccccc, bbbbbbbb"), WAIT, ON]),
        (NEWER, (), (), {}, [back("3-ccccccc", "cccccccc"), WAIT, ON]),
        ((), (), (), {"source": True}, [WAIT, ON]),
        ((), (), ("x",), {}, ["let the other changes go live, which git has", ON]),
        (
            NEWER,
            UNWANTED,
            ("x",),
            {"forward": True, "source": True},
            ["let 3-ccccccc go live, which git asks for", ON],
        ),
        (
            (),
            UNWANTED,
            (),
            {"source": True},
            [
                back("2-bbbbbbb", "bbbbbbbb"),
                "revert the source commits 12345678, 98765432, and push",
                WAIT,
                ON,
            ],
        ),
    ],
)
def test_the_plan_lists_what_will_be_done_in_order(
    diverged: Callable[..., resume.Divergence],
    *,
    newer: tuple[Version, ...],
    unwanted: tuple[Version, ...],
    other: tuple[str, ...],
    options: dict[str, bool],
    planned: list[str],
) -> None:
    found = diverged(newer, unwanted, other)
    asked = {"forward": False, "source": False} | options
    assert resume.steps(found, ["1234567890", "9876543210"], **asked) == planned


def test_the_plan_has_no_source_where_no_commit_changed_it_and_no_switch_that_is_on(
    diverged: Callable[..., resume.Divergence],
) -> None:
    found = diverged()
    on = found._replace(app=found.app._replace(auto_sync=True))
    assert resume.steps(on, [], forward=False, source=True) == [
        back("2-bbbbbbb", "bbbbbbbb"),
        WAIT,
    ]


def test_source_goes_on_where_it_knows_which_commits_to_revert(
    diverged: Callable[..., resume.Divergence],
) -> None:
    resume.refuse_source(diverged(), [], forward=False)
    with pytest.raises(InputError, match="commits between 1-aaaaaaa and 2-bbbbbbb"):
        resume.refuse_source(diverged(), None, forward=False)


class Branch:
    """The branch: whether what Argo CD looked at contains our commit."""

    def __init__(self, *, contains: bool) -> None:
        self.contains = contains
        self.asked: list[tuple[str, str, str]] = []

    def has(self, branch: str, commit: str, *, before: str) -> bool:
        self.asked.append((branch, commit, before))
        return self.contains


@pytest.mark.parametrize(
    ("looked_at", "contains", "busy", "differs", "accept", "expected"),
    [
        ("ours", False, False, False, False, True),
        ("older", False, False, False, False, False),
        ("newer", True, False, False, False, True),  # somebody pushed after us
        ("ours", False, True, False, False, False),
        ("ours", False, False, True, False, False),
        ("ours", False, False, True, True, True),
        ("ours", False, True, True, True, False),
    ],
)
def test_auto_sync_waits_until_argo_cd_sees_that_git_asks_for_what_runs(
    diverged: Callable[..., resume.Divergence],
    *,
    monkeypatch: pytest.MonkeyPatch,
    looked_at: str,
    contains: bool,
    busy: bool,
    differs: bool,
    accept: bool,
    expected: bool,
) -> None:
    found = diverged()
    changed = (ResourceStatus("Deployment", "coworking", differs, False, False, "", ""),)
    app = found.app._replace(revision=looked_at, queued=busy, resources=changed, operation=None)
    branch = Branch(contains=contains)
    seen: list[bool] = []

    def wait(_what: str, _within: float, done: Callable[[], bool], **_: Any) -> float:
        seen.append(done())
        raise StopIteration

    monkeypatch.setattr(resume, "read", lambda *_, **__: (app, {}))
    monkeypatch.setattr(resume, "wait_until", wait)
    api: Any = None
    access: Any = branch

    with pytest.raises(StopIteration):
        resume.switch_on(api, access, found, "ours", accept=accept)

    assert seen == [expected]
    assert branch.asked == ([] if looked_at == "ours" else [("main", "ours", looked_at)])


@pytest.mark.parametrize(
    ("sync", "health", "busy", "expected"),
    [
        ("Synced", "Healthy", False, True),
        ("OutOfSync", "Healthy", False, False),
        ("Synced", "Progressing", False, False),
        ("Synced", "Healthy", True, False),
    ],
)
def test_it_is_done_when_all_is_synced_and_healthy_and_says_how_many_pods_stayed(
    diverged: Callable[..., resume.Divergence],
    *,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sync: str,
    health: str,
    busy: bool,
    expected: bool,
) -> None:
    found = diverged()
    app = found.app._replace(
        revision="ours", sync=sync, health=health, queued=busy, resources=(), operation=None
    )
    waited: list[bool] = []
    there = iter([{"a", "b"}, {"b", "c"}])

    def wait(_what: str, _within: float, done: Callable[[], bool], **_: Any) -> float:
        waited.append(done())
        return 1.25

    monkeypatch.setattr(resume, "read", lambda *_, **__: (app, {}))
    monkeypatch.setattr(resume, "wait_until", wait)
    monkeypatch.setattr(resume, "pods", lambda *_: next(there))
    patched: list[Any] = []
    api: Any = SimpleNamespace(patch=lambda *change: patched.append(change))
    access: Any = None

    resume.switch_on(api, access, found, "ours", accept=True)

    assert waited[1:] == [expected]
    assert patched == [(app.name, {"spec": {"syncPolicy": {"automated": {"enabled": None}}}})]
    assert "1 of 2 pods are the same" in capsys.readouterr().out
