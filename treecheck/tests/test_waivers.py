"""A waiver hides its finding until its day has passed, and is reported when it hides nothing."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from treecheck.engine import Finding, check
from treecheck.facts import Facts, Waiver
from treecheck.inputs import gather

DAY = datetime.date(2027, 6, 30)
AFTER = DAY + datetime.timedelta(days=1)
# A Service that selects nothing, with an annotation.
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations:
    {key}: "{text}"
spec:
  selector: {{app: web}}
  ports: [{{port: 80}}]
"""
NOTHING = "waive.validate/service-selects-nothing"


def found(folder: Path, key: str, text: str, today: datetime.date) -> dict[str, str]:
    """Rule -> message."""
    return {each.rule: each.message for each in findings(folder, key, text, today)}


def findings(folder: Path, key: str, text: str, today: datetime.date) -> list[Finding]:
    file = folder / "service.yaml"
    file.write_text(SERVICE.format(key=key, text=text), encoding="utf-8")
    report = check(gather([str(file)], Facts()), Facts(), (1, 32), today=today)
    assert report.failures == []
    return report.findings


def test_it_hides_the_finding_to_the_end_of_its_day(tmp_path: Path) -> None:
    assert found(tmp_path, NOTHING, "until 2027-06-30: later", DAY) == {}


def test_after_its_day_both_are_reported(tmp_path: Path) -> None:
    told = found(tmp_path, NOTHING, "until 2027-06-30: later", AFTER)

    assert sorted(told) == ["service-selects-nothing", "waiver-expired"]
    assert told["waiver-expired"] == (
        "the waiver of service-selects-nothing ended on 2027-06-30; what it covered counts again"
    )


def test_one_that_waives_nothing_is_reported(tmp_path: Path) -> None:
    told = found(tmp_path, "waive.validate/bare-pod", "until 2027-06-30: later", DAY)

    assert sorted(told) == ["service-selects-nothing", "waiver-unused"]


def test_one_of_a_rule_that_does_not_run_is_not_reported(tmp_path: Path) -> None:
    file = tmp_path / "service.yaml"
    for text in ("until 2027-06-30: later", "until 2027-06-29: later"):
        file.write_text(SERVICE.format(key="waive.validate/bare-pod", text=text), "utf-8")
        inputs = gather([str(file)], Facts())
        report = check(inputs, Facts(), (1, 32), only=["service-selects-nothing"], today=DAY)
        assert [each.rule for each in report.findings] == ["service-selects-nothing"]


def fact(rule: str, resource: str, expires: datetime.date = DAY) -> Facts:
    return Facts(waivers=(Waiver(rule, resource, "later", expires, Path("facts.yaml"), 7),))


def waived(folder: Path, facts: Facts) -> list[tuple[str, str, int]]:
    """(rule, file, line) of what is found in a Service without waivers of its own."""
    file = folder / "service.yaml"
    file.write_text(SERVICE.format(key="x", text="y"), encoding="utf-8")
    report = check(gather([str(file)], facts), facts, (1, 32), today=DAY)
    return [(each.rule, Path(each.file).name, each.line) for each in report.findings]


def test_the_facts_waive_what_they_name_and_are_blamed_on_their_own_line(tmp_path: Path) -> None:
    nothing, title = "service-selects-nothing", "Service shop/web"
    (here,) = waived(tmp_path, Facts())

    assert here[0] == nothing
    assert waived(tmp_path, fact(nothing, title)) == []
    yesterday = DAY - datetime.timedelta(days=1)
    assert sorted(waived(tmp_path, fact(nothing, title, yesterday))) == [
        here,
        ("waiver-expired", "facts.yaml", 7),
    ]
    assert sorted(waived(tmp_path, fact("bare-pod", title))) == [
        here,
        ("waiver-unused", "facts.yaml", 7),
    ]
    assert sorted(waived(tmp_path, fact("no-such-rule", title))) == [
        here,
        ("waiver-malformed", "facts.yaml", 7),
    ]
    # One file says nothing of what the rest of the tree may hold.
    assert waived(tmp_path, fact(nothing, "Service shop/other")) == [here]


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        ("waive.validate/no-such-rule", "until 2027-06-30: x", "no rule is called 'no-such-rule'"),
        (NOTHING, "later", "has no date and reason, so it waives nothing"),
        (NOTHING, "until 2027-06-30:", "has no date and reason, so it waives nothing"),
        (NOTHING, "until 2027-06-31: x", "2027-06-31"),
    ],
)
def test_one_that_can_not_be_read_waives_nothing(
    tmp_path: Path, key: str, text: str, sentence: str
) -> None:
    told = found(tmp_path, key, text, DAY)

    assert sorted(told) == ["service-selects-nothing", "waiver-malformed"]
    assert sentence in told["waiver-malformed"]


def test_one_that_can_not_be_read_is_blamed_on_its_own_line(tmp_path: Path) -> None:
    (told,) = [
        each for each in findings(tmp_path, NOTHING, "x", DAY) if each.rule == "waiver-malformed"
    ]
    assert (told.resource, told.line) == ("Service shop/web", 7)
