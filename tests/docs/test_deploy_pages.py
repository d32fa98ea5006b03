"""The pages about the tree: their commands exist, and the way from an empty cluster is short."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest

from ci.cli import VERBS
from ci.local.cluster import afterwards
from ci.tree import carried, seal
from ci.tree.overlays import environments
from ci.tree.settings import SETTINGS, parse, read

ROOT = Path(__file__).parents[2]
PAGES = [*(ROOT / "docs" / f"{name}.md" for name in ("deploy", "secrets", "fork", "cluster"))]
PAGES.append(ROOT / "argocd/bootstrap.md")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# What a page may tell to type.
PROGRAMS = {"kubectl", "git", "make", "aws", "kind", "export", "python"}


def commands(page: Path) -> list[str]:
    """The commands of a page's plain code blocks, without comments and what a command reads."""
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = "".join(block for language, block in fences if not language)
    lines = re.sub(r"<<'SQL'\n.*?\nSQL\n", "\n", lines, flags=re.DOTALL)
    words = [re.sub(r"\s+#.*", "", line) for line in lines.splitlines()]
    return [part.strip() for line in words for part in line.split("&&") if part.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one_that_there_is(page: Path) -> None:
    assert commands(page)
    for command in commands(page):
        program, *arguments = shlex.split(command)
        assert program in PROGRAMS, command
        if program == "make":
            assert re.search(rf"^{arguments[0]}:.*## ", MAKEFILE, re.MULTILINE), command
        if program == "python":
            assert arguments[:2] == ["-m", "ci"], command
            assert arguments[2] in VERBS, command
        for flag, value in itertools.pairwise(arguments):
            if flag in {"-k", "-f"} and program == "kubectl":
                assert (ROOT / value).exists(), command


def test_an_empty_cluster_is_ten_commands_from_its_first_sync() -> None:
    block = (ROOT / "argocd/bootstrap.md").read_text(encoding="utf-8").split("```")[1]
    assert 0 < len(re.split(r"\n|&&|;", block.strip())) <= 10


def test_the_page_about_a_laptop_ends_as_the_command_does() -> None:
    page = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    for line in afterwards(environments(ROOT)).splitlines():
        if line.startswith(("  make", "  kubectl")):
            assert line.strip() in page


def test_every_setting_of_a_fork_is_explained() -> None:
    """The table is what settings.py says, in its order."""
    page = (ROOT / "docs/fork.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {each.help} | {each.rule} |" for name, each in SETTINGS.items()]
    assert "| setting | what it is | it takes |\n| --- | --- | --- |\n" + "\n".join(rows) in page


def test_every_name_that_a_marked_line_may_use_is_on_the_page() -> None:
    page = (ROOT / "docs/fork.md").read_text(encoding="utf-8")
    for name in carried.values(read()):
        assert f"`{name}`" in page


def test_the_settings_file_explains_each_value_as_the_table_does() -> None:
    lines = (ROOT / "settings.yaml").read_text(encoding="utf-8").splitlines()
    for name, each in SETTINGS.items():
        (line,) = [line for line in lines if line.startswith(f"{name}: ")]
        assert line.endswith(f" # {each.help}")


@pytest.mark.parametrize("command", commands(ROOT / "docs/fork.md"))
def test_the_values_of_the_page_are_valid(command: str) -> None:
    for word in shlex.split(command):
        name, is_setting, value = word.partition("=")
        if is_setting and name.lower() in SETTINGS:
            parse(name.lower(), value)


def test_the_page_about_secrets_names_the_options() -> None:
    page = (ROOT / "docs/secrets.md").read_text(encoding="utf-8")
    for parameter in seal.command.params:
        for option in parameter.opts:
            assert option in page or option in {"environments", "--root"}


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
