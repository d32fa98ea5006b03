"""Single risks, where the recorded comments of test_comment.py show no more than their like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.review.report import as_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.review.report import Comparison

    Compared = Callable[[str, str], Comparison]

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"


def secret(*keys: str) -> str:
    data = ", ".join(f"{key}: {key.lower()}" for key in keys)
    return (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: web, namespace: shop}\n"
        f"stringData: {{{data}}}\n"
    )


def risks(report: Comparison) -> list[str]:
    return [each.sentence for section in report.sections for each in section.risks]


def test_a_namespace_takes_everything_in_it_along(compared: Compared) -> None:
    assert "this deletes it, and everything in it" in risks(compared(NAMESPACE, ""))


def test_a_secret_that_stays_and_loses_a_key_says_which(compared: Compared) -> None:
    lost = "the secret loses SECOND: who reads it finds nothing"

    assert lost in risks(compared(secret("FIRST", "SECOND"), secret("FIRST")))
    assert not any("loses" in each for each in risks(compared(secret("FIRST"), "")))
    assert not any("loses" in each for each in risks(compared("", secret("FIRST"))))


def test_a_finding_is_in_the_json_with_its_rule_and_its_sentence(compared: Compared) -> None:
    (finding,) = as_data(compared("", NAMESPACE + "---\n" + NAMESPACE))["findings"]

    assert finding["rule"] == "duplicate-resource"
    assert finding["resource"] == "Namespace shop"
    assert finding["message"]
    assert finding["fix"]
