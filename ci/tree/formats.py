"""The forms that values of settings.yaml have: what each matches, and where the rule is from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = r"[a-z]{2}(-[a-z]+)+-[0-9]"


class Setting(NamedTuple):
    """A setting.

    Attributes:
        help: what it is.
        rule: which values are valid, as `it takes …`.
        example: a valid value, as `make configure` takes it.
        problem: says what is wrong with one value: a sentence, `?` if the rule says it all, or
            nothing.
        least: how many values a list has at least; None for a setting that is one value.
        optional: whether the one value may be empty.
    """

    help: str
    rule: str
    example: str
    problem: Callable[[str], str]
    least: int | None = None
    optional: bool = False

    @property
    def may_be_empty(self) -> bool:
        """Whether `none` is a valid value."""
        return self.optional or self.least == 0


def pattern(valid: str) -> Callable[[str], str]:
    """A check that a whole value matches: it returns nothing, or `?`; the rule is the setting's."""
    compiled = re.compile(valid)
    return lambda value: "" if compiled.fullmatch(value) else "?"


def number(least: int, most: int) -> Callable[[str], str]:
    """A check that a whole value is a number in these bounds, as `pattern`."""
    return lambda value: (
        "" if re.fullmatch("[1-9][0-9]{0,9}", value) and least <= int(value) <= most else "?"
    )


# https://docs.aws.amazon.com/acm/latest/APIReference/API_CertificateDetail.html
certificate = pattern(rf"arn:aws[a-z-]*:acm:{REGION}:[0-9]{{12}}:certificate/[a-zA-Z0-9-]+")
# https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
_ACCOUNT = "@[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}"
owner = pattern(rf"{_ACCOUNT}(?:/[\w.-]+)?|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
host = pattern(
    r"(?=.{4,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+"
)
# A DNS label, as the end of a namespace's name that begins with `coworking-` and has 63 characters
# at most (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names).
environment = pattern(r"[a-z]([-a-z0-9]{0,50}[a-z0-9])?")
