"""What a hotfix and a promotion write, what each gate finds, and what history calls a change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click
import pytest

from ci.aws.registry import EcrRepository
from ci.errors import CiError, InputError
from ci.ship import gates, history, hotfix, image, promote
from ci.ship.candidate import Candidate
from ci.ship.gates import GATES, Blocks, State, ask
from ci.ship.promote import Wish, plan_promotion
from ci.version.image_file import Record
from ci.version.land import Leave
from ci.version.message import Deployment, Message
from ci.version.order import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = "123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking"
REGISTRY = EcrRepository.parse(ADDRESS)
COMMIT = "1f2e3d4c" * 5
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def overlay(tag: str, *, known: tuple[str, ...] = (COMMIT[:8], COMMIT)) -> Any:
    entry = SimpleNamespace(tag=tag, registry=ADDRESS)
    return SimpleNamespace(
        entry=entry,
        image="coworking",
        path="image.yaml",
        resolve=lambda name: COMMIT if name in known else None,
    )


@pytest.mark.parametrize(
    ("tag", "source", "known", "trailers"),
    [
        ("57-1f2e3d4c", None, (COMMIT[:8],), {"Source-Commit": COMMIT, "Build": "57"}),
        ("57-1f2e3d4c", None, (), {"Source-Commit": "", "Build": "57"}),
        ("57-1f2e3d4c", "other", (COMMIT[:8],), {"Source-Commit": "", "Build": "57"}),
        ("manual-v1", COMMIT, (COMMIT,), {"Source-Commit": COMMIT, "Build": ""}),
        ("manual-v1", None, ("",), {"Source-Commit": "", "Build": ""}),
    ],
)
def test_a_hotfix_records_the_commit_that_the_branch_has(
    tag: str, source: str | None, known: tuple[str, ...], trailers: dict[str, str]
) -> None:
    plan = hotfix.plan_hotfix("prod", tag, REGISTRY, "too slow", source=source)
    named = {"Image": f"{ADDRESS}:{tag}", "Reason": "too slow"}
    assert plan(overlay("56-0a1b2c3d", known=known)) == Deployment(
        "prod", "coworking", "56-0a1b2c3d", tag, trailers | named
    )
    assert plan(overlay(tag)) == Leave("noop")


@pytest.mark.parametrize(("status", "source", "label"), [("", COMMIT, COMMIT), (" M a", None, "")])
def test_a_hotfix_of_changes_that_are_not_committed_says_so(
    monkeypatch: pytest.MonkeyPatch, status: str, source: str | None, label: str
) -> None:
    def run(words: list[str], **_: Any) -> str:
        return f"{COMMIT}\n" if "rev-parse" in words else f"{status}\n"

    built: list[dict[str, Any]] = []
    ecr = SimpleNamespace(digest=lambda _: None, log_in=lambda: None)
    monkeypatch.setattr(hotfix, "Ecr", lambda _: ecr)
    monkeypatch.setattr(hotfix, "run", run)
    monkeypatch.setattr(hotfix, "push", lambda _: None)
    monkeypatch.setattr(image, "build", lambda names, **more: built.append(more | {"names": names}))

    assert hotfix.build_and_push(REGISTRY, "v1") == source
    ((more),) = built
    assert (more["names"], more["number"]) == ([f"{ADDRESS}:v1"], "v1")
    assert more["commit"] == (label or "uncommitted")
    ecr.digest = lambda _: "sha256:1"
    with pytest.raises(InputError, match="v1 exists already, and tags don't change"):
        hotfix.build_and_push(REGISTRY, "v1")


def wish(**more: Any) -> Wish:
    fields: dict[str, Any] = {"origin": "dev", "target": "prod", "branch": "main"}
    rest = {"soak": 30, "reason": "why", "overridden": frozenset(), "push": False, "dry_run": False}
    return Wish(**(fields | rest | more))


@pytest.mark.parametrize(
    ("words", "override"),
    [
        (["passes", "passes"], ("", "")),
        (["overridden", "passes"], ("healthy", "why")),
        (["overridden", "overridden"], ("healthy, soaked", "why")),
    ],
)
def test_a_promotion_says_where_from_and_which_gates_were_passed_and_why(
    words: list[str], override: tuple[str, str]
) -> None:
    candidate: Any = SimpleNamespace(tag="57-1f2e3d4c", there=overlay("56-0a1b2c3d"))
    states = [
        State(name, word, "") for name, word in zip(("healthy", "soaked"), words, strict=True)
    ]
    plan = plan_promotion(candidate, wish(), REGISTRY, states)

    assert plan(overlay("56-0a1b2c3d")) == Deployment(
        "prod",
        "coworking",
        "56-0a1b2c3d",
        "57-1f2e3d4c",
        {
            "Source-Commit": COMMIT,
            "Build": "57",
            "Image": f"{ADDRESS}:57-1f2e3d4c",
            "Promoted-From": "dev",
            "Gate-Override": override[0],
            "Reason": override[1],
        },
    )
    assert plan(overlay("57-1f2e3d4c")) == Leave("noop")
    with pytest.raises(CiError, match="prod has just moved on from 56-0a1b2c3d to 58"):
        plan(overlay("58"))


def test_a_promotion_of_a_hotfix_names_no_commit_that_it_does_not_know() -> None:
    candidate: Any = SimpleNamespace(tag="manual-v1", there=overlay("1"))
    planned = plan_promotion(candidate, wish(), REGISTRY, [])(overlay("1", known=("",)))
    assert isinstance(planned, Deployment)
    assert (planned.trailers["Source-Commit"], planned.trailers["Build"]) == ("", "")


def test_every_gate_that_blocks_is_named_and_each_line_of_help_is_shown_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    states = [
        State("healthy", "blocks", "no answer", "Log in:\nargocd login"),
        State("same-image", "blocks", "no answer", "Log in:\nargocd login again"),
        State("scanned", "overridden", "never", "Wait."),
        State("soaked", "passes", "ran | long"),
    ]
    promote._show(states)
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "blocks      healthy         no answer",
        "Log in:",
        "argocd login",
        "blocks      same-image      no answer",
        "argocd login again",
        "overridden  scanned         never",
        "passes      soaked          ran | long",
    ]
    with pytest.raises(CiError, match=r"blocked by healthy, same-image$"):
        promote._refuse_blocked(states)
    promote._refuse_blocked(states[2:])
    assert promote._table(states[3:], "late").splitlines() == [
        "| gate | state | found |",
        "| --- | --- | --- |",
        "| soaked | passes | ran / long |",
        "",
        "Reason: late",
    ]
    assert "Reason" not in promote._table(states[3:], "")


def candidate(**more: Any) -> Any:
    fields = {
        "origin": "dev",
        "target": "prod",
        "tag": "57-1f2e3d4c",
        "now": NOW,
        "soak": timedelta(minutes=30),
    }
    return SimpleNamespace(**(fields | more))


@pytest.mark.parametrize(
    ("ran", "found"),
    [
        (timedelta(minutes=30), "dev ran it for 30 of 30 minutes"),
        (timedelta(hours=2, seconds=31), "dev ran it for 121 of 30 minutes"),
        (timedelta(minutes=30, seconds=-1), Blocks),
    ],
)
def test_the_soaking_ends_with_its_last_second(ran: timedelta, found: Any) -> None:
    asked = candidate(running_since=lambda: NOW - ran)
    if found is Blocks:
        with pytest.raises(Blocks, match="dev ran it for 30 of 30 minutes, until 12:00 UTC"):
            GATES["soaked"].check(asked)
    else:
        assert GATES["soaked"].check(asked) == found


@pytest.mark.parametrize(
    ("findings", "found"),
    [
        ({}, "nothing critical; nothing at all"),
        ({"MEDIUM": 2, "HIGH": 1, "CRITICAL": 0}, "nothing critical; 0 critical, 1 high, 2 medium"),
    ],
)
def test_what_a_scan_found_besides_is_said_in_order(findings: dict[str, int], found: str) -> None:
    ecr = SimpleNamespace(scan=lambda _: SimpleNamespace(status="COMPLETE", findings=findings))
    assert GATES["scanned"].check(candidate(ecr=ecr)) == found


@pytest.mark.parametrize(
    ("running", "sentence"),
    [
        (set(), "and dev's pods run no image"),
        ({"sha256:1", "sha256:2"}, "and dev's pods run sha256:1, sha256:2"),
    ],
)
def test_all_pods_must_run_what_the_registry_has(running: set[str], sentence: str) -> None:
    ecr = SimpleNamespace(digest=lambda _: "sha256:1")
    with pytest.raises(Blocks, match=f"the registry has sha256:1, {sentence}"):
        GATES["same-image"].check(candidate(ecr=ecr, running_digests=lambda: running))


@pytest.mark.parametrize("name", GATES)
def test_a_gate_asks_in_a_clause_and_is_fixed_by_a_sentence(name: str) -> None:
    """The help joins what they ask to one sentence; a person reads one fix at a time."""
    asks, fix = GATES[name].asks, GATES[name].fix
    assert asks[0].islower()
    assert fix[0].isupper()
    assert (asks[-1] == ".", fix[-1] == ".") == (False, True)


def test_all_gates_are_asked_also_after_one_that_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(error: CiError) -> Any:
        def check(_: Any) -> str:
            raise error

        return check

    def gate(check: Any) -> gates.Gate:
        return gates.Gate("asks", "fix it", check)

    monkeypatch.setattr(
        gates,
        "GATES",
        {
            "a": gate(refuse(Blocks("no"))),
            "b": gate(refuse(CiError("away", hint="log in"))),
            "c": gate(lambda _: "well"),
            "d": gate(refuse(Blocks("late"))),
        },
    )
    assert ask(candidate(), overridden=["d", "c"]) == [
        State("a", "blocks", "no", "fix it"),
        State("b", "blocks", "it can't be asked: away", "log in"),
        State("c", "passes", "well"),
        State("d", "overridden", "late", "fix it"),
    ]


def record(tag: str | None, subject: str = "x", *, named: bool = False, **trailers: str) -> Record:
    lines = {name.replace("_", "-"): value for name, value in trailers.items()}
    message = Message("Ann", NOW, subject, (lines,) if lines else ())
    return Record(Version("c" * 40, tag, None, None, named), message)


@pytest.mark.parametrize(
    ("environment", "given", "earlier", "how"),
    [
        ("dev", record("1-aaaaaaa", Build="1", Promoted_From="dev"), [], "promotion"),
        ("dev", record("v1", Reason="r", Image="i", Build="1"), [], "hotfix"),
        ("dev", record("1-aaaaaaa", Build="1", Reason="r"), [], "build"),
        ("dev", record("1-aaaaaaa", Reason="r"), ["2", "1-aaaaaaa"], "reverted"),
        ("dev", record("1-aaaaaaa"), ["2"], "by hand"),
        ("dev", record("1-aaaaaaa", "deploy(dev): coworking 0 -> 1-aaaaaaa"), ["0"], "build"),
        ("prod", record("1-aaaaaaa", "deploy(prod): coworking 0 -> 1-aaaaaaa"), ["0"], "promotion"),
        ("prod", record("v1", "deploy(prod): coworking 0 -> v1"), ["0"], "hotfix"),
        ("prod", record("v1", "deploy(prod): coworking 0 -> v1"), ["0", "v1"], "reverted"),
        ("prod", record("v1", "deploy(prod): coworking 0 -> v1", named=True), ["v1"], "hotfix"),
        ("dev", record("v1", "deploy(prod): coworking 0 -> v1", named=True), ["0"], "by hand"),
    ],
)
def test_history_says_how_each_change_came(
    environment: str, given: Record, earlier: list[str], how: str
) -> None:
    assert history._how(given, iter(earlier), environment) == how


def rows(*records: Record) -> list[history.Row]:
    file: Any = SimpleNamespace(
        records=lambda: iter(records), folder="overlays/dev/coworking/image", resolve=lambda _: None
    )
    repository: Any = None
    return list(history.rows(repository, file))


def test_history_leaves_out_what_changed_no_tag() -> None:
    shown = rows(record("3"), record(None), record("2"), record("2"), record("1"))
    assert [row.tag for row in shown] == ["3", "2", "1"]
    assert [(row.commit, row.build, row.person, row.what) for row in shown[:1]] == [
        ("", None, "Ann", "x")
    ]


@pytest.mark.parametrize(
    ("tag", "recorded", "build", "commit"),
    [
        ("57-1f2e3d4c", None, 57, "1f2e3d4c"),  # by its tag
        ("57-1f2e3d4c", "0a1b2c3d", 57, "0a1b2c3d"),
        ("v1", "0a1b2c3d", 9, "0a1b2c3d"),
        ("v1", None, 9, ""),
    ],
)
def test_a_build_is_told_by_the_commit_that_it_was_made_of(
    tag: str, recorded: str | None, build: int, commit: str
) -> None:
    """The change itself was made by a machine."""
    given = record(tag, Build="1")
    given = given._replace(version=given.version._replace(source=recorded, build=9))
    asked: list[list[str]] = []

    def objects(names: list[str]) -> list[bytes]:
        asked.append(names)
        return [b"author Eve <e@x> 1 +0000\n\nCount each visit once\n"]

    file: Any = SimpleNamespace(
        records=lambda: iter([given]), folder="overlays/dev/coworking/image", resolve=str
    )
    repository: Any = SimpleNamespace(objects=objects)
    (row,) = history.rows(repository, file)

    assert (row.commit, row.build) == (commit, build)
    assert (row.person, row.what) == (("Eve", "Count each visit once") if commit else ("Ann", "x"))
    assert asked == ([[commit]] if commit else [])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["nowhere"], "nowhere"), (["dev", "--limit", "0"], "0 is not in the range")],
)
def test_history_refuses_what_it_can_not_show(
    words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "open_remote", None)  # nothing is asked for before
    with pytest.raises((InputError, click.UsageError), match=sentence):
        history.command.main(words, standalone_mode=False)


def test_a_row_of_history_is_one_line_with_its_columns() -> None:
    row = history.Row(
        *("2026-05-01T12:00:59+00:00", "57-1f2e3d4c", "build", COMMIT, 57),
        *("Ann\x1b", "Count\teach", "c"),
    )
    assert history._line(row) == "  ".join(
        [
            *("2026-05-01 12:00", f"{'57-1f2e3d4c':20}", f"{'build 57 of 1f2e3d4c':24}"),
            *(f"{'Ann?':16}", "Count?each"),
        ]
    )
    assert "  by hand                   " in history._line(row._replace(how="by hand"))


class Running(SimpleNamespace):
    """What Argo CD and git say of dev: each letter is a commit, and each contains those before."""

    def is_ancestor(self, older: str, newer: str) -> bool:
        return older <= newer


@pytest.mark.parametrize(
    ("records", "entries", "since"),
    [
        ("57", "b", 1),
        ("57 57 56", "bc", 1),  # its configuration was deployed again
        ("57 56", "abab", 4),  # rolled back and forth
        ("57 56", "aba", None),
        ("56", "b", None),
        ("57", "", None),
    ],
)
def test_dev_has_run_it_since_its_first_sync_without_a_break(
    records: str, entries: str, since: int | None
) -> None:
    versions: Iterator[Any] = (
        SimpleNamespace(version=SimpleNamespace(tag=tag, commit="b")) for tag in records.split()
    )
    history_of_dev = [
        SimpleNamespace(revision=name, at=number) for number, name in enumerate(entries, 1)
    ]
    asked: Any = SimpleNamespace(
        here=SimpleNamespace(records=lambda: versions),
        tag="57",
        app=SimpleNamespace(entries=history_of_dev),
        repository=Running(),
    )
    assert Candidate.running_since(asked) == since
