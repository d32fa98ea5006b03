"""Writes a page for each rule, and the list of them: `make docs`.

The words are the rule's own, the example is its first broken case.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rule_cases import CONTAINER, MANIFESTS, NONE, POD, Case, all_cases, steps, title

from treecheck.registry import LAYERS, Family, Scope, load_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.registry import Rule

DOCS = Path(__file__).parents[1] / "docs"
FAMILIES = {
    Family.FAULT: "It does not do what its author meant: it is refused, breaks or loses data.",
    Family.POLICY: "It works as written, and good practice or hardening asks for something else.",
}
REFUSED = "Where the namespace enforces it, the pod is refused: family `fault`, severity error."
# What tells an item of a list from its neighbours.
IDENTITY = ("name", "containerPort", "mountPath", "port", "key", "host")


def pages() -> dict[str, str]:
    """The pages by their paths below DOCS."""
    wrong: dict[str, Case] = {}
    right: dict[str, Case] = {}
    for case in all_cases():
        (wrong if case.broken else right).setdefault(case.rule, case)
    rules = [rule for rule in load_rules().values() if rule.is_ours]
    found = {
        f"rules/{rule.id}.md": page(rule, wrong.get(rule.id), right.get(rule.id)) for rule in rules
    }
    return {"rules.md": index(rules), **found}


def index(rules: list[Rule]) -> str:
    """The list of rules, by family and layer."""
    lines = [
        "# The rules",
        "",
        "<!-- `make docs` writes this page and those of the rules. -->",
        "",
        f"{len(rules)} rules. `treecheck --select fault` runs those of one family; a layer or a",
        "rule is selected by its name too.",
    ]
    for family, meaning in FAMILIES.items():
        lines += ["", f"## {family}", "", meaning]
        for layer, name in LAYERS.items():
            mine = [rule for rule in rules if (rule.family, rule.layer) == (family, layer)]
            if mine:
                lines += ["", f"### {name} (`{layer}`)", ""]
                lines += ["| rule | severity | what it finds |", "| --- | --- | --- |"]
                lines += [
                    f"| [{rule.id}](rules/{rule.id}.md) | {rule.severity} | {rule.title} |"
                    for rule in mine
                ]
    return "\n".join(lines) + "\n"


def page(rule: Rule, example: Case | None, good: Case | None) -> str:
    """A rule's page, with a broken case and a sound one as its example."""
    lines = [
        f"# {rule.id}",
        "",
        f"Family `{rule.family}`, layer `{rule.layer}`, severity {rule.severity}.",
        *((REFUSED,) if rule.insisted else ()),
        *("", "## What it does", "", f"It finds this: {rule.title[0].lower()}{rule.title[1:]}."),
        *("", "## Why is it bad", "", rule.explanation),
    ]
    if example is not None:
        wrong, right = shown(example, good)
        lines += ["", "## Example", "", "```yaml", *wrong, "```"]
        lines += ["", "## Use instead", "", "```yaml", *right, "```"] if right else []
    if rule.scope is not Scope.ENGINE:
        lines += ["", "## Leave it out", "", f"`treecheck --ignore {rule.id}`, or on one resource,"]
        lines += ["until a date:", "", "```yaml", "metadata:", "  annotations:"]
        lines += [f'    waive.validate/{rule.id}: "until 2027-06-30: the reason"', "```"]
    return "\n".join([*lines, "", "## Source", "", f"{rule.source.rstrip('.')}."]) + "\n"


def shown(case: Case, good: Case | None) -> tuple[list[str], list[str]]:
    """(lines of the broken tree, lines of the sound one), each cut to what differs."""
    if case.patch is None or not case.sound:
        return _files(case, case), _files(good, case) if good is not None else []
    broken = {
        title(each): each for each in yaml.load_all(case.files[MANIFESTS], Loader=yaml.CSafeLoader)
    }
    wrong: list[str] = []
    right: list[str] = []
    for what, edits in case.patch.items():
        if what == "add" or edits is NONE:
            added = [each for name, each in broken.items() if name not in case.sound]
            wrong += _documents(map(_plain, added)) if what == "add" else [f"# no {what}"]
            right += [] if what == "add" else _documents([_plain(case.sound[what])])
            continue
        paths = [steps(_whole(path, case.sound[what])) for path in edits]
        wrong += _cut(broken.get(what, next(iter(broken.values()))), paths, wrong)
        right += _cut(case.sound[what], paths, right)
    return wrong, right


def _whole(path: str, body: dict[str, Any]) -> str:
    if not path.startswith("pod."):
        return path
    spec = {"Pod": "spec", "CronJob": "spec.jobTemplate.spec.template.spec"}
    return f"{spec.get(body['kind'], 'spec.template.spec')}.{path.removeprefix('pod.')}"


def _files(case: Case, like: Case) -> list[str]:
    """The files of a case that differ between two of a rule, or its manifests."""
    if list(case.files) == [MANIFESTS]:
        try:
            bodies = list(yaml.load_all(case.files[MANIFESTS], Loader=yaml.CSafeLoader))
        except yaml.YAMLError:
            bodies = []
        if bodies and all(isinstance(each, dict) for each in bodies) and like.patch is None:
            return _documents(map(_plain, bodies))
        return _short(case.files[MANIFESTS])
    lines: list[str] = []
    for name in like.patch or case.files:
        if name in case.files:
            lines += [f"# {name}", *_short(case.files[name])]
        else:
            lines += [f"# no {name}"]
    return lines


def _short(text: str) -> list[str]:
    """A text's lines, cut to what a reader looks at."""
    lines = [line[:100] for line in text.encode("ascii", "backslashreplace").decode().splitlines()]
    return lines if len(lines) <= 40 else [*lines[:40], "# …"]


def _documents(bodies: Iterable[Any]) -> list[str]:
    dumper = yaml.CSafeDumper  # libyaml's, in a tenth of the time
    text = yaml.dump_all(
        bodies, None, dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=96
    )
    return _short(text.removeprefix("---\n"))


def _plain(body: Any) -> Any:
    """A manifest without the parts that every sound pod has."""
    if isinstance(body, list):
        return [_plain(each) for each in body]
    if not isinstance(body, dict):
        return body
    sound = {**POD, **CONTAINER}
    return {
        key: _plain(value)
        for key, value in body.items()
        if key in {"name", "image"} or sound.get(key) != value
    }


def _cut(body: dict[str, Any], paths: list[list[str | int]], before: list[str]) -> list[str]:
    """Of a manifest its kind, its name and the fields at `paths`; what lacks one says so."""
    fragment = {"kind": body.get("kind"), "metadata": {"name": body["metadata"].get("name")}}
    missing = ["# without " + "".join(_joined(path)) for path in paths if not _has(body, path)]
    whole = {**fragment, **_part(body, paths)}
    return [*(["---"] if before else []), *_documents([whole]), *missing]


def _joined(path: list[str | int]) -> Iterator[str]:
    for number, step in enumerate(path):
        yield f"[{step}]" if isinstance(step, int) else f"{'.' if number else ''}{step}"


def _has(value: Any, path: list[str | int]) -> bool:
    for step in path:
        there = step in value if isinstance(value, dict) else isinstance(step, int)
        if not there or (isinstance(value, list) and int(step) >= len(value)):
            return False
        value = value[step]
    return True


def _part(value: Any, paths: list[list[str | int]]) -> Any:
    """Of nested mappings and lists, only what lies on one of the paths."""
    if any(not path for path in paths) or not isinstance(value, dict | list):
        return value
    inner: dict[str | int, list[list[str | int]]] = {}
    for first, *rest in paths:
        inner.setdefault(first, []).append(rest)
    if isinstance(value, list):
        return [
            {**_identity(item), **_part(item, inner[number])}
            if isinstance(item, dict)
            else _part(item, inner[number])
            for number, item in enumerate(value)
            if number in inner
        ]
    found = {key: _part(item, inner[key]) for key, item in value.items() if key in inner}
    return {**_identity(value), **found} if "image" in value else found


def _identity(item: dict[str, Any]) -> dict[str, Any]:
    return next(({key: item[key]} for key in IDENTITY if key in item), {})


def write() -> None:
    """Write every page, and take away those of rules that there are no more."""
    wanted = pages()
    (DOCS / "rules").mkdir(parents=True, exist_ok=True)
    for old in (DOCS / "rules").glob("*.md"):
        if f"rules/{old.name}" not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
