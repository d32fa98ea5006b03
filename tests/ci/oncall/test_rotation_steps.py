"""What a rotation does next, and what it waits for, by what git, Argo CD and the clock say."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ci.argocd.client import ArgoError
from ci.errors import CiError
from ci.oncall import rotate, rotate_password
from ci.oncall.sealed_live import JOB
from ci.tree import rotation, sealing_key
from ci.tree.rotation import NEXT, PASSWORD, ROTATED_AT
from ci.tree.sealed_file import Contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANNOUNCED, OLDER = "announced-commit", "older-commit"
PRESENT, FOLLOWING = "value-of-before", "value-of-after"


class Clock:
    """A clock that goes on by sleeping only."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rotate_password, "time", clock)
    return clock


def answer(
    phase: str = "Succeeded", job: str = "", revision: str = ANNOUNCED, *, auto: bool = True
) -> dict[str, Any]:
    """An Application whose newest sync ended like this; without a phase there was none."""
    done = [{"kind": "Job", "name": JOB, "hookPhase": job, "message": "late"}] if job else []
    result = {"revision": revision, "resources": done}
    automated = {} if auto else {"enabled": False}
    return {
        "metadata": {"name": "postgres-prod"},
        "spec": {"syncPolicy": {"automated": automated}},
        "status": {"operationState": {"phase": phase, "syncResult": result}} if phase else {},
    }


class Live:
    """The cluster's secret: an answer for each look, of which the last stays."""

    def __init__(self, *looks: dict[str, Any] | ArgoError) -> None:
        self.looks = list(looks)
        self.syncs = 0
        self.sealed: list[dict[str, str]] = [{PASSWORD: PRESENT}]

    def read(self, *, refresh: bool) -> dict[str, Any]:
        assert refresh
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, ArgoError):
            raise look
        return look

    def steps(self, entry: str, value: str) -> list[str]:
        assert (entry, value) == (NEXT, FOLLOWING)
        return ["the cluster has unsealed it"]

    def sync(self) -> None:
        self.syncs += 1

    def entries(self) -> dict[str, str]:
        return self.sealed.pop(0) if len(self.sealed) > 1 else self.sealed[0]

    def has_unsealed(self, entry: str, value: str) -> bool:
        return self.sealed[0].get(entry) == value


def work(**more: Any) -> Any:
    def announces(commit: str, value: str) -> bool:
        return (commit, value) == (ANNOUNCED, FOLLOWING)

    fields = {"environment": "prod", "announces": announces}
    return SimpleNamespace(**(fields | more))


def wait(live: Any) -> None:
    rotate_password._wait_until_changed(work(), live, FOLLOWING)


@pytest.mark.parametrize(
    ("looks", "syncs", "seconds"),
    [
        pytest.param([answer(job="Succeeded")], 0, 0, id="done already"),
        pytest.param([answer("Running"), answer(job="Succeeded")], 0, 2, id="a sync runs"),
        pytest.param(
            [answer(revision=OLDER), answer(""), answer(job="Succeeded")], 0, 4, id="not yet synced"
        ),
        pytest.param(
            [answer(), answer(), answer(), answer(job="Succeeded")], 1, 6, id="the Job did not run"
        ),
        pytest.param(
            [answer("Failed", "Failed"), answer(job="Succeeded")],
            1,
            2,
            id="an earlier call's failed",
        ),
        pytest.param(
            [ArgoError("away\nlong"), ArgoError("away\nlonger"), answer(job="Succeeded")],
            0,
            4,
            id="no answer",
        ),
    ],
)
def test_it_waits_for_the_job_and_asks_for_one_sync_where_none_ran(
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    looks: list[dict[str, Any] | ArgoError],
    syncs: int,
    seconds: int,
) -> None:
    live = Live(*looks)
    wait(live)
    printed = capsys.readouterr().out
    assert printed.endswith(f"changed in the database ({seconds} s)\n")
    assert printed.count("the cluster has unsealed it") == 1
    assert printed.count("Argo CD gives no answer: away\n") == isinstance(looks[0], ArgoError)
    assert live.syncs == syncs


def test_a_job_that_fails_again_ends_it_and_the_old_password_is_valid(clock: Clock) -> None:
    live = Live(answer("Failed", "Failed"))
    with pytest.raises(CiError, match=f"can't change the password: Job/{JOB}: late") as raised:
        wait(live)
    assert raised.value.hint.splitlines() == [
        "The old password is still valid. Called again, this goes on:",
        "python -m ci rotate prod password",
    ]
    assert live.syncs == 1


@pytest.mark.parametrize("look", [answer(revision=OLDER, auto=False), answer("", auto=False)])
def test_without_auto_sync_nothing_is_waited_for(clock: Clock, look: dict[str, Any]) -> None:
    with pytest.raises(CiError, match="auto-sync of postgres-prod is off") as raised:
        wait(Live(look))
    assert "Turn it on again in Argo CD." in raised.value.hint
    assert clock.now == 100


def test_a_job_that_changed_it_counts_also_without_auto_sync(clock: Clock) -> None:
    wait(Live(answer(job="Succeeded", auto=False)))


def test_it_gives_up_after_twenty_minutes_and_says_how_to_go_on(clock: Clock) -> None:
    with pytest.raises(CiError, match="prod's password is changed in the data") as raised:
        wait(Live(answer("Running")))
    assert str(raised.value).endswith(": not after 1200 s")
    assert raised.value.hint == "Called again, this goes on:\npython -m ci rotate prod password"
    assert clock.now == 100 + 1200 + rotate_password.POLL


def contents(**entries: str) -> Contents:
    return Contents(entries, {})


def test_the_old_password_is_gone_once_it_is_not_sealed_any_more(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    away = ArgoError("away")
    live = Live(away, answer(), answer(), answer("Running"), answer())
    live.sealed = [{PASSWORD: "another"}]
    done: list[dict[str, str]] = [{PASSWORD: PRESENT, NEXT: "x"}, {PASSWORD: PRESENT}]

    def has_unsealed(entry: str, value: str) -> bool:
        unsealed = live.sealed[0].get(entry) == value
        live.sealed = done[:1] if not unsealed else live.sealed
        return unsealed

    live.has_unsealed = has_unsealed  # type: ignore[method-assign]
    read = live.read

    def and_go_on(*, refresh: bool) -> dict[str, Any]:
        if NEXT in live.sealed[0] and clock.now >= 106:
            live.sealed = done[1:]
        return read(refresh=refresh)

    live.read = and_go_on  # type: ignore[method-assign]
    finished: Any = live
    rotate_password._finish(work(), finished, contents(**{PASSWORD: PRESENT}), dry_run=False)

    assert capsys.readouterr().out.splitlines() == [
        "the old password is gone from the Secret (8 s)",
        "prod's password is rotated; the old one is refused.",
    ]


def test_a_secret_that_keeps_the_old_password_is_waited_for_five_minutes(clock: Clock) -> None:
    live: Any = Live(answer())
    live.sealed = [{PASSWORD: PRESENT, NEXT: "x"}]
    with pytest.raises(CiError, match="the cluster has removed the old password: not after 300 s"):
        rotate_password._finish(work(), live, contents(**{PASSWORD: PRESENT}), dry_run=False)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `rotate` decides to do, in order."""
    done: list[Any] = []

    def noted(name: str, *, landed: bool = True) -> Any:
        def note(*_: Any, dry_run: bool = False) -> bool:
            done.append(f"{name}, dry" if dry_run else name)
            return landed

        return note

    monkeypatch.setattr(rotate_password, "_refuse_older_release", noted("check the release"))
    monkeypatch.setattr(rotate_password, "_commit", lambda _w, name, _s: noted(name)())
    monkeypatch.setattr(rotate_password, "_announcing", lambda *_: None)
    monkeypatch.setattr(rotate_password, "_using", lambda *_: None)
    monkeypatch.setattr(rotate_password, "_wait_until_changed", noted("wait"))
    monkeypatch.setattr(rotate_password, "_finish", noted("finish"))
    monkeypatch.setattr(rotate_password, "show_dry_run", lambda lines: done.append(len(lines)))
    return done


def minutes_ago(minutes: float) -> dict[str, str]:
    return {ROTATED_AT: (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()}


AT_REST, BOTH = {PASSWORD: PRESENT}, {PASSWORD: PRESENT, NEXT: FOLLOWING}
WHOLE = ["check the release", "announce", "wait", "use", "finish"]


@pytest.mark.parametrize(
    ("sealed", "ago", "live", "options", "expected"),
    [
        pytest.param(AT_REST, None, AT_REST, {}, WHOLE, id="at rest"),
        pytest.param(AT_REST, 59, AT_REST, {}, [], id="within the hour"),
        pytest.param(AT_REST, 61, AT_REST, {}, WHOLE, id="after an hour"),
        pytest.param(AT_REST, 1, AT_REST, {"again": True}, WHOLE, id="again"),
        pytest.param(
            AT_REST, None, AT_REST, {"dry_run": True}, ["check the release", 3], id="dry, at rest"
        ),
        pytest.param(BOTH, None, AT_REST, {}, ["wait", "use", "finish"], id="announced"),
        pytest.param(BOTH, None, AT_REST, {"dry_run": True}, [2], id="dry, announced"),
        pytest.param(AT_REST, None, BOTH, {}, ["finish"], id="the cluster has both"),
        pytest.param(AT_REST, None, {PASSWORD: "x"}, {}, ["finish"], id="the cluster has the old"),
        pytest.param(
            AT_REST, None, BOTH, {"dry_run": True}, ["finish, dry"], id="dry, the cluster has both"
        ),
    ],
)
def test_a_call_goes_on_where_the_one_before_was(
    planned: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    *,
    sealed: dict[str, str],
    ago: float | None,
    live: dict[str, str],
    options: dict[str, bool],
    expected: list[Any],
) -> None:
    cluster = Live(answer())
    cluster.sealed = [live]
    monkeypatch.setattr(rotate_password, "SealedLive", lambda *_: cluster)
    # Counted from now: the collection may be minutes ago.
    notes = {} if ago is None else minutes_ago(ago)
    looks = iter([Contents(sealed, notes), *[Contents(BOTH, notes)] * 2])
    call = work(
        api=None,
        branch="main",
        access=SimpleNamespace(tip=lambda _: "tip"),
        sealed_at=lambda _: next(looks),
    )
    rotate_password.rotate(call, **({"dry_run": False, "again": False} | options))
    assert planned == expected


def test_exactly_an_hour_is_not_within_it(
    planned: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate_password, "_since", lambda _: timedelta(hours=1))
    monkeypatch.setattr(rotate_password, "SealedLive", lambda *_: Live(answer()))
    access = SimpleNamespace(tip=lambda _: "tip")
    call = work(api=None, branch="main", access=access, sealed_at=lambda _: Contents(AT_REST, {}))
    rotate_password.rotate(call, dry_run=True, again=False)
    assert planned == ["check the release", 3]


def test_a_commit_that_this_copy_has_not_is_fetched_before_it_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there: set[str] = set()
    fetched: list[str] = []

    def tip(branch: str) -> None:
        fetched.append(branch)
        there.add("pushed")

    repository = SimpleNamespace(resolve=lambda name: name if name in there else None)
    access: Any = SimpleNamespace(repository=repository, tip=tip)
    api: Any = None
    call = rotate_password.Rotating(api, access, "prod", "main", push=False)
    monkeypatch.setattr(
        rotate_password.Rotating, "sealed_at", lambda *_: Contents({NEXT: FOLLOWING}, {})
    )

    assert not call.announces("unknown", FOLLOWING)
    assert call.announces("pushed", FOLLOWING)
    assert not call.announces("pushed", PRESENT)
    assert fetched == ["main"]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({PASSWORD: PRESENT, NEXT: FOLLOWING}, {"file": "new"}),
        ({PASSWORD: FOLLOWING}, None),  # somebody else's call was faster
        ({PASSWORD: "another"}, CiError),
        ({PASSWORD: PRESENT, NEXT: "another"}, CiError),
    ],
)
def test_the_second_commit_uses_just_the_password_that_the_database_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, entries: dict[str, str], expected: Any
) -> None:
    monkeypatch.setattr(rotation, "contents", lambda *_: Contents(entries, {}))
    monkeypatch.setattr(rotation, "use", lambda *_: {"file": "new"})
    files = SimpleNamespace(sealed="sealedsecret.yaml")
    step = rotate_password._using(work(files=files), FOLLOWING)

    if expected is CiError:
        with pytest.raises(CiError, match="has neither the old password nor"):
            step.make(tmp_path)
    else:
        assert step.make(tmp_path) == expected


def test_the_command_hands_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []

    @contextlib.contextmanager
    def opened(url: str, _environ: Any, *, seconds: float) -> Iterator[str]:
        called.append((url, seconds))
        yield "access"

    def noted(work: rotate_password.Rotating, *, dry_run: bool, again: bool) -> None:
        called.append((work, dry_run, again))

    monkeypatch.setattr(rotate, "connect", lambda _: "api")
    monkeypatch.setattr(rotate, "open_remote", opened)
    monkeypatch.setattr(rotate_password, "rotate", noted)

    def run(*words: str) -> Any:
        called.clear()
        words = ("prod", "password", "--url", "https://git.example.com/o/r", *words)
        CliRunner().invoke(rotate.command, words, catch_exceptions=False, standalone_mode=False)
        return called

    address = ("https://git.example.com/o/r", 3600)
    plain: Any = ("api", "access", "prod", "main", False)
    pushed: Any = ("api", "access", "prod", "trunk", True)
    assert run() == [address, (plain, False, False)]
    assert run("--push", "--branch", "trunk") == [address, (pushed, False, False)]
    assert run("--dry-run") == [address, (plain, True, False)]
    assert run("--again") == [address, (plain, False, True)]


def test_the_sealing_key_is_rotated_in_this_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sealed: list[Path] = []
    monkeypatch.setattr(sealing_key, "reseal", sealed.append)
    words = ["sealing-key", "--root", str(tmp_path)]
    CliRunner().invoke(rotate.command, words, catch_exceptions=False, standalone_mode=False)
    assert sealed == [tmp_path]
