"""What a hotfix and a promotion write, and what each gate finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ci.aws.registry import EcrRepository
from ci.errors import CiError, InputError
from ci.ship import gates, hotfix, promote
from ci.ship.candidate import Candidate
from ci.ship.gates import GATES, Blocks, Skips, State, ask
from ci.ship.promote import Wish, plan_promotion
from ci.tree.images import DATABASE_IMAGE, SERVICE_IMAGE
from ci.version.land import Leave
from ci.version.message import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.tree.images import SourceImage

ADDRESS = "123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking"
REGISTRY = EcrRepository.parse(ADDRESS)
COMMIT = "1f2e3d4c" * 5
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def overlay(
    tag: str, *, known: tuple[str, ...] = (COMMIT[:8], COMMIT), image: str = "coworking"
) -> Any:
    entry = SimpleNamespace(tag=tag, registry=ADDRESS)
    return SimpleNamespace(
        entry=entry,
        image=image,
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


def test_a_hotfix_and_a_promotion_name_the_image_of_the_overlay() -> None:
    there = overlay("3-0a1b2c3d", image="postgres")
    planned = hotfix.plan_hotfix("prod", "v1", REGISTRY, "x", source=None)(there)
    assert isinstance(planned, Deployment)
    assert planned.subject == "deploy(prod): postgres 3-0a1b2c3d -> v1"
    candidate: Any = SimpleNamespace(tag="4-1f2e3d4c", there=there)
    planned = plan_promotion(candidate, wish(), REGISTRY, [])(there)
    assert isinstance(planned, Deployment)
    assert planned.subject == "deploy(prod): postgres 3-0a1b2c3d -> 4-1f2e3d4c"


@pytest.mark.parametrize("image", [SERVICE_IMAGE, DATABASE_IMAGE])
@pytest.mark.parametrize(("status", "source", "label"), [("", COMMIT, COMMIT), (" M a", None, "")])
def test_a_hotfix_of_changes_that_are_not_committed_says_so(
    monkeypatch: pytest.MonkeyPatch,
    image: SourceImage,
    status: str,
    source: str | None,
    label: str,
) -> None:
    def run(words: list[str], **_: Any) -> str:
        if "rev-parse" in words:
            return f"{COMMIT}\n"
        assert words[-1] == image.source  # a change elsewhere is not in the image
        return f"{status}\n"

    built: list[dict[str, Any]] = []
    ecr = SimpleNamespace(digest=lambda _: None, log_in=lambda: None)
    monkeypatch.setattr(hotfix, "Ecr", lambda _: ecr)
    monkeypatch.setattr(hotfix, "run", run)
    monkeypatch.setattr(hotfix, "push", lambda _: None)
    monkeypatch.setattr(
        hotfix, "build_image", lambda names, **more: built.append(more | {"names": names})
    )

    assert hotfix.build_and_push(image, REGISTRY, "v1") == source
    ((more),) = built
    assert (more["names"], more["number"]) == ([f"{ADDRESS}:v1"], "v1")
    assert (more["commit"], more["source"]) == (label or "uncommitted", image.source)
    ecr.digest = lambda _: "sha256:1"
    with pytest.raises(InputError, match="v1 exists already, and tags don't change"):
        hotfix.build_and_push(image, REGISTRY, "v1")


def wish(**more: Any) -> Wish:
    fields: dict[str, Any] = {"origin": "dev", "target": "prod", "branch": "main"}
    fields["image"] = SERVICE_IMAGE
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
        "is_idle": False,
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
            "e": gate(refuse(Skips("unused"))),
        },
    )
    assert ask(candidate(), overridden=["d", "c", "e"]) == [
        State("a", "blocks", "no", "fix it"),
        State("b", "blocks", "it can't be asked: away", "log in"),
        State("c", "passes", "well"),
        State("d", "overridden", "late", "fix it"),
        State("e", "skipped", "unused"),
    ]


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
        image=SERVICE_IMAGE,
        tag="57",
        app=SimpleNamespace(entries=history_of_dev),
        repository=Running(),
    )
    assert Candidate.running_since(asked) == since
