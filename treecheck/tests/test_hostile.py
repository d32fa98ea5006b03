"""Hostile inputs: whatever is fed to it, the checker ends with 1 or 2 and a sentence, and soon."""

from __future__ import annotations

import copy
import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from treecheck.cli import command
from treecheck.engine import CRASHED
from treecheck.errors import TreecheckError
from treecheck.model import at
from treecheck.schemas import schemas

SHAPES = sorted((Path(__file__).parent / "shapes").glob("*.yaml"))
LIMIT = 5.0
WRONG: tuple[Any, ...] = ("text", 7, -1, 2**80, 1.5, True, [], ["x"], [[]], {}, {"x": "y"}, [None])


def validate(path: Path) -> tuple[int, str, float]:
    """(exit status, what it said, seconds); an error that is not a sentence fails the test.

    The seconds are those of the processor: others may be at work beside.
    """
    facts = path.with_suffix(".facts")
    facts.write_text("ignore: []\n", encoding="utf-8")
    started = time.process_time()
    result = CliRunner().invoke(command, [str(path), "--facts", str(facts)])
    seconds = time.process_time() - started
    if isinstance(result.exception, TreecheckError):
        return result.exception.exit_code, str(result.exception), seconds
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert CRASHED not in result.output
    return result.exit_code, result.output, seconds


BOMBS = {
    "billion laughs": "a0: &a0 x\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
    "deep lists": "a: " + "[" * 50_000,
    "deep mappings": "".join(" " * i + "a:\n" for i in range(500)),
    "deep flow mappings": "{a: " * 20_000 + "1" + "}" * 20_000,
    "huge scalar": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: "
    + "x" * 3_000_000
    + "}\n",
    "huge number": "a: " + "9" * 200_000,
    "huge exponent": "apiVersion: v1\nkind: LimitRange\nmetadata: {name: x}\nspec: {limits: "
    "[{type: Container, max: {cpu: 1e999999999}}]}",
    "alias to itself": "a: &a [*a]",
    "merge of itself": "a: &a {<<: *a}",
    "merge of text": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n<<: text\ndata: {a: 1}",
    "key is a list": "? [a, b]\n: c",
    "key is a mapping": "{{a: b}: c}",
    "nothing": "",
    "only comments": "# nothing\n",
    "only separators": "---\n---\n...\n---\n",
    "text": "hello",
    "number": "42",
    "list": "- a\n- b\n",
    "nul": "a: \0",
    "control characters": "a: \x01\x02\x1b",
    "unclosed quote": 'a: "b',
    "unclosed bracket": "a: [b",
    "bad indentation": "a:\n  b: 1\n c: 2",
    "tab": "a:\n\tb: 1",
    "unknown tag": "a: !python/object/apply:os.system [echo]",
    "unknown directive": "%FOO bar\n---\na: b",
    "not a version": "apiVersion: 7\nkind: [x]\nmetadata: name\n",
    "no metadata": "apiVersion: v1\nkind: Pod\n",
    "null everywhere": "apiVersion: v1\nkind: Pod\nmetadata: null\nspec: null\n",
    "list of nothing": "apiVersion: v1\nkind: List\nitems: [null, 7, text, []]\n",
    "right to left": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '\u202ex'}\n",
    "infinite": "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: .inf}]}",
    "not a number": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: "
    "{replicas: .nan}",
    "thousand documents": "---\na: 1\n" * 1000,
    "thousand manifests of one name": "---\n{apiVersion: v1, kind: Secret}\n" * 1000,
    "anchors that grow": "a0: &a0 {x: 1}\n"
    + "".join(f"a{i}: &a{i} {{l: *a{i - 1}, r: *a{i - 1}}}\n" for i in range(1, 40)),
    "merges that grow": "a0: &a0 {x: 1}\n"
    + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], y{i}: 1}}\n" for i in range(1, 40)),
    "alias in a mapping to itself": "a: &a {b: *a}",
    "keys twice": "apiVersion: v1\nkind: ConfigMap\nkind: Pod\nmetadata: {name: x, name: y}\n",
    "numbers as keys": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
    "data: {1: a, 1.5: b, true: c, null: d, 2026-01-01: e, .nan: f, .inf: g}\n",
    "dates": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 2026-11-29, labels: {a: "
    "2026-11-29T12:00:00Z}}\ndata: {a: 2026-02-31, b: 0001-01-01, c: 99999-01-01}\n",
    "a day without a date": "a: 2026-13-45",
    "lines of Windows": "apiVersion: v1\r\nkind: ConfigMap\r\nmetadata:\r\n  name: x\r\n",
    "lines of old Macs": "apiVersion: v1\rkind: ConfigMap\rmetadata: {name: x}\r",
    "byte order mark within": "apiVersion: v1\n\ufeffkind: ConfigMap\n",
    "tabs in flow": "apiVersion: v1\nkind: ConfigMap\nmetadata:\t{name:\tx}\n",
    "places of a template": "a: " + "{{ b }} " * 3000 + "[\n",
    "places without an end": "a: " + "{{ " * 3000 + "[\n",
    "variables without an end": "a: " + "${" * 3000 + "[\n",
    "commands of a template": "{{- if .a }}\n" * 3000 + "[\n",
    "a long line of spaces": "a: [" + " " * 100_000,
    "a long image": "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: x, "
    "image: " + "a-" * 5_000 + "}]}\n",
    "a long command": "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{"
    "name: x, image: 'x:1', command: [sh, -c, '" + "until nc -z -w " * 3_000 + "']}]}\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_it_survives_what_is_no_manifest(name: str, tmp_path: Path) -> None:
    file = tmp_path / "hostile.yaml"
    file.write_text(BOMBS[name], encoding="utf-8")

    status, said, seconds = validate(file)

    assert status in {0, 1, 2}
    assert said.strip()
    assert "Traceback" not in said
    assert seconds < LIMIT


@pytest.mark.parametrize(
    "data", [b"\xff\xfea\x00", b"a: \xff\xff", b"\xef\xbb\xbfa: 1", b"\x80" * 99]
)
def test_it_survives_bytes_that_are_no_text(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "hostile.yaml"
    file.write_bytes(data)

    status, said, _ = validate(file)

    assert status in {1, 2}
    assert said.strip()


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += paths(item, (*path, index))
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("shape", SHAPES, ids=lambda path: path.stem)
def test_it_survives_a_wrong_type_at_every_field(shape: Path, tmp_path: Path) -> None:
    documents = list(yaml.safe_load_all(shape.read_text(encoding="utf-8")))
    changed: list[Any] = []
    for body in documents:
        for path in paths(body):
            changed.append(copy.deepcopy(body))
            at(changed[-1], *path[:-1])[path[-1]] = WRONG[len(changed) % len(WRONG)]
    for start in range(0, len(changed), 40):
        file = tmp_path / f"{start}.yaml"
        part = yaml.dump_all(changed[start : start + 40], Dumper=yaml.CSafeDumper)
        file.write_text(part, encoding="utf-8")

        status, said, seconds = validate(file)

        assert status in {1, 2}, said
        assert said.strip()
        assert seconds < 4 * LIMIT


@pytest.mark.parametrize(
    ("api_version", "kind"), [("argoproj.io/v1alpha1", "Application"), ("v1", "Pod")]
)
@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_it_survives_a_wrong_type_at_the_top(
    api_version: str, kind: str, value: Any, tmp_path: Path
) -> None:
    for field in ("metadata", "spec", "status", "data"):
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, field: value}
        file = tmp_path / f"{field}.yaml"
        file.write_text(yaml.safe_dump(body), encoding="utf-8")

        status, said, _ = validate(file)

        assert status in {1, 2}
        assert said.strip()


def test_it_survives_every_kind_with_a_list_for_its_spec(tmp_path: Path) -> None:
    bodies = [
        {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": [value]}
        for (version, kind), value in zip(schemas((1, 32)).kinds(), WRONG * 99, strict=False)
    ]
    file = tmp_path / "kinds.yaml"
    file.write_text(yaml.safe_dump_all(bodies), encoding="utf-8")

    status, said, seconds = validate(file)

    assert status == 1
    assert said.strip()
    assert seconds < 4 * LIMIT


# `make test` has a third of them.
SEEDS = [*range(40), *(pytest.param(each, marks=pytest.mark.thorough) for each in range(40, 120))]


@pytest.mark.parametrize("seed", SEEDS)
def test_it_survives_fuzzed_text(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    text = list(chance.choice(SHAPES).read_text(encoding="utf-8"))
    for _ in range(chance.randrange(1, 12)):
        place = chance.randrange(len(text))
        kind = chance.randrange(4)
        if kind == 0:
            text[place] = chance.choice("{}[]:,&*!|>'\"%@`#-?\t\n \\é\u2028")
        elif kind == 1:
            del text[place : place + chance.randrange(1, 40)]
        elif kind == 2:
            text[place:place] = text[place : place + chance.randrange(1, 200)]
        else:
            text[place:place] = list(
                chance.choice(["{{ x }}", "<<: *a", "? ", "!!binary ", "\n---\n"])
            )
    file = tmp_path / "fuzzed.yaml"
    file.write_text("".join(text), encoding="utf-8")

    status, said, seconds = validate(file)

    assert status in {0, 1, 2}
    assert said.strip()
    assert seconds < LIMIT
