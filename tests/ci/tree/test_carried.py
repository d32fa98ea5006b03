"""The lines that carry a setting, and the file that has them all."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from ci.errors import InputError
from ci.tree import carried, settings
from tests.ci.platform.test_configure import as_before

ROOT = Path(__file__).parents[3]
VALUES = settings.Settings(
    account="123456789012",
    region="eu-north-1",
    repository="c",
    git_url="https://example.org/c.git",
    kubernetes="1.34",
    zones=("eu-north-1a", "eu-north-1c"),
)


def is_marked(line: str) -> bool:
    """Whether a line's value comes from settings.yaml."""
    return carried._MARKED.match(line) is not None


def tracked() -> list[Path]:
    words = ["git", "ls-files", "-z"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def text_of(path: Path) -> str:
    return path.read_bytes().decode(errors="replace") if path.is_file() else ""


def test_writing_the_marked_lines_anew_changes_nothing() -> None:
    values = settings.read()
    marked = [path for path in tracked() if path.suffix in {".yaml", ".yml"}]
    assert len([path for path in marked if "# settings:" in text_of(path)]) >= 10
    for path in marked:
        assert carried.carry(text_of(path), values) == text_of(path), path


EXAMPLES = {each.example for each in settings.SETTINGS.values()}


def test_no_other_line_has_a_copy_of_a_value() -> None:
    values = settings.read()
    for path in tracked():
        # Tests and pages have examples, and quote the older guide; settings.yaml has the values.
        if (
            path.is_relative_to(ROOT / "tests")
            or path.suffix == ".md"
            or path.name == settings.FILE
        ):
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            for value in (values.account, values.git_url):
                # A fork may be configured with the very values that the examples have.
                if value in line and value not in EXAMPLES:
                    assert is_marked(line), f"{path}:{number}: {line.strip()}"


# Where the Kubernetes version may stand beside others: tables of versions, and what pip locked.
VERSION_TABLES = {
    ".ci/run",  # runs the suite on a second version
    "infra/prices.yaml",
    "ci/local/cluster.py",
    "treecheck/treecheck/rules/schema/kinds.py",
}


def test_no_other_line_has_a_copy_of_the_kubernetes_version() -> None:
    value = re.escape(settings.read().kubernetes)
    as_numbers = value.replace(r"\.", ", ")  # (1, 32)
    version = re.compile(rf"(?:\bv|(?<![\w.]))(?:{value}|{as_numbers})(?!\d)")
    found = []
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        # Tests have examples; a page's figures are computed, and the rest of it explains.
        if "tests" in path.parts or path.suffix in {".md", ".txt", ".js", ".css", ".svg"}:
            continue
        if name in VERSION_TABLES | {settings.FILE}:
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            if version.search(line) and not is_marked(line):
                found.append(f"{name}:{number}: {line.strip()}")
    assert found == []


@pytest.mark.parametrize("name", ["0x1f", "1.5", "yes", "null", "12"])
def test_a_name_that_yaml_reads_as_something_else_is_quoted(tmp_path: Path, name: str) -> None:
    text = (ROOT / "settings.yaml").read_text()
    wanted = settings.read()._replace(repository=name)
    (tmp_path / "settings.yaml").write_text(carried.edit_file(text, wanted))
    assert settings.read(tmp_path) == wanted


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a: old # settings: {region}", "a: eu-north-1 # settings: {region}"),
        ('a: "old" # settings: {account}', 'a: "123456789012" # settings: {account}'),
        ("  - old-1a # settings: {region}a", "  - eu-north-1a # settings: {region}a"),
        (
            "a: x # settings: {image}\r\n",
            "a: 123456789012.dkr.ecr.eu-north-1.amazonaws.com/c # settings: {image}\r\n",
        ),
        ("a: x # the settings: {image}", "a: x # the settings: {image}"),
        ("# settings: {image}", "# settings: {image}"),
        ("a: [x, y] # settings: {zones}", "a: [eu-north-1a, eu-north-1c] # settings: {zones}"),
        ("a: [] # settings: {zones}", "a: [eu-north-1a, eu-north-1c] # settings: {zones}"),
        ("a: [x] # settings: {prod_cidrs}", "a: [] # settings: {prod_cidrs}"),
        ("- x # settings: {zones[0]}", "- eu-north-1a # settings: {zones[0]}"),
        ('a: "x" # settings: {prod_certificate}', 'a: "" # settings: {prod_certificate}'),
        ('- "N=x y" # settings: N={place}', '- "N=Coworking" # settings: N={place}'),
        ('a: "" # settings: {kubernetes}', 'a: "1.34" # settings: {kubernetes}'),
        ("a: v1.30 # settings: v{kubernetes}", "a: v1.34 # settings: v{kubernetes}"),
    ],
)
def test_a_marked_line_gets_the_value_that_its_comment_names(line: str, expected: str) -> None:
    assert carried.carry(line, VALUES) == expected


@pytest.mark.parametrize("template", ["{acount}", "{zones[7]}", "{", "{region[x]}", "{zones.x}"])
def test_a_comment_that_names_no_setting_is_refused(template: str) -> None:
    with pytest.raises(InputError, match=r"it may name \{account\}, \{region\}"):
        carried.carry(f"a: x # settings: {template}", VALUES)


WHOLE = as_before("settings.yaml", (ROOT / "settings.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "lacks account, region"),
        ("account: '1'\n", "lacks region, repository"),
        (f"{WHOLE}colour: red\n", "has the unknown colour"),
        ("account: [", "can't be read"),
        ("account: \udcff", "can't be read"),
        (
            WHOLE.replace('"183302320810"', "183302320810"),
            "account is 183302320810, which is not text; quote it",
        ),
        (WHOLE.replace('"1.32"', "1.32"), "kubernetes is 1.32, which is not text; quote it"),
        (WHOLE.replace("prod_cidrs: []", "prod_cidrs:"), "prod_cidrs is None, which is not a list"),
        (WHOLE.replace("prod_cidrs: []", "prod_cidrs: [7]"), "which is not a list of texts"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "settings.yaml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=sentence):
        settings.read(tmp_path)
