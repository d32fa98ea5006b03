"""Words that readers had to decode don't come back: in pages, messages, docstrings and comments."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What was written, and what to write.
FORMS = {
    r"(?<!here )\b(?:is|are) no (?!longer\b|such\b|use\b|more\b|way\b|other\b)[a-z]": "is not a …",
    r"\b[Mm]end(?:s|ed|ing)?\b": "fix",
    r"\banew\b": "again",
    r"\b(?:Told|Taken|Known|Seen|Offered) (?:is|are)\b": "subject first: It reports …",
    r"\bis told:": "gets the message",
    r"\b[Hh]eld against\b": "checked against",
    r"\bis called so\b": "unknown …",
    r"\btaken back\b": "reverted",
    r"\bbut for\b": "except",
    r"\b(?:nothing|none|nobody|anything) but\b": "only …",
    r"\b[Aa]ll but\b": "all except",
    r"\bcan't be told\b": "is unknown",
    r"\b(?:tells?|told) (?:\w+ ){0,3}apart\b": "distinguish",
    r"\b(?:by|to|for) who (?!in\b)(?!\w+,)": "by the person who …",
    r"(?:^|[.:#] )Who (?:has no|loses?|lost|logged|makes|must|needs|wants)\b": "Everybody who …",
    r"\b(?:may|might) as well be\b": "can also be",
    r"\b(?:that|which) will do\b": "that works",
    r"\btak(?:e|es|en) (?:all of it|it|them|this|the \w+) (?:away|back)\b": "remove, or revert",
    r"\b(?:as ever|as it comes|there and then)\b": "as before, by default, at once",
    r"\bhas a say\b": "decides too",
    r"\b(?:is|are) meant(?! (?:for|to)\b)": "is intended",
    r"\bon the wall\b": "local time",
    r"\b[Ll]et (?:that|the|your) [\w ]+ be a\b": "make … a …",
    r"\bhow (?:to|it is) mend": "how to fix",
}
SUFFIXES = {".py", ".md", ".yaml", ".html", ".in", ".toml"}
# This list itself; the examples of broken trees; the migrations, whose text databases have kept.
LEFT_OUT = re.compile(
    r"tests/docs/test_words\.py|tests/.*/(cases|recorded|snapshots|broken)/|treecheck/tests/rules/"
    r"|base/postgres/init\.sql|requirements"
)


@cache
def texts() -> dict[str, str]:
    """What is looked through, by its name."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return {
        name: (ROOT / name).read_text("utf-8")
        for name in listed
        if Path(name).suffix in SUFFIXES and not LEFT_OUT.search(name) and (ROOT / name).is_file()
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_readers_decode_does_not_come_back(form: str) -> None:
    pattern = re.compile(form, re.MULTILINE)
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts().items()
        if pattern.search(text)  # as a whole first, which is faster than by its lines
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, f"write {FORMS[form]!r} instead:\n" + "\n".join(found)
