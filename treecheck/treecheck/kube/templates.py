"""Go's text templates, as far as ApplicationSets use them: fields, pipelines, conditions, loops.

What is not read here (variables, named templates, other functions) is `NotKnown`: only Argo CD can
expand it. Functions are in `template_functions.py`.
Source: https://pkg.go.dev/text/template, and
https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/applicationset/GoTemplate/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from treecheck.kube.template_functions import FUNCTIONS, NAMES, as_shown
from treecheck.model import at

if TYPE_CHECKING:
    from collections.abc import Iterator

# What stands between the braces may hold texts, and braces in them. Nothing of it can be read in
# two ways: a text of 30 comments without an end would take hours.
ACTION = re.compile(
    r"""\{\{(-\s)?((?>\s*+/\*(?:(?!\*/).)*\*/|"(?:\\.|[^"\\])*"|`[^`]*`"""
    r"""|\{(?!\{)|/(?!\*)|[^"`/{])*?)(\s-)?\}\}""",
    re.DOTALL,
)
WORD = re.compile(r"""\s*("(?:\\.|[^"\\])*"|`[^`]*`|'[^']*'|[()|]|[^\s()|"'`]+)""")
LITERALS = {"true": True, "false": False, "nil": None}
KEYWORDS = {
    "block", "break", "continue", "define", "else", "end", "if", "range", "template", "with",
}  # fmt: skip
MOST_ROUNDS = 1000  # of a loop


class NotKnown(Exception):  # noqa: N818 - it is an answer, not an error
    """Only Argo CD could expand this; the message says what."""


class Unfilled(NotKnown):
    """A place asks for a parameter that is not there; the message says which."""


@dataclass(slots=True)
class Block:
    """A condition or loop: its branches, each a (keyword, expression, content)."""

    branches: list[tuple[str, str, list[str | Block | Expression]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that is replaced; `text` is how it was written."""

    expression: str
    text: str


def filled(text: str, parameters: dict[str, Any], *, partly: bool = False) -> str:
    """A template with its parameters; `partly` leaves places that they don't fill.

    Raises:
        Unfilled: a parameter is not there.
        NotKnown: a function or a form that is not read here.
    """
    nodes = _parsed(text)
    return "".join(_written(nodes, parameters, partly=partly))


def _parsed(text: str) -> list[str | Block | Expression]:
    """A template's texts, places and blocks."""
    top: list[str | Block | Expression] = []
    stack: list[tuple[Block, list[str | Block | Expression]]] = []
    here, position = top, 0
    for found in ACTION.finditer(text):
        before = text[position : found.start()]
        here.append(before.rstrip() if found[1] else before)
        position = found.end()
        if found[3]:
            position += len(text[position:]) - len(text[position:].lstrip())
        inside = found[2].strip()
        words = inside.split(maxsplit=1)
        keyword, rest = (words[0], words[1] if len(words) > 1 else "") if words else ("", "")
        if keyword in {"if", "range", "with"}:
            block = Block()
            here.append(block)
            stack.append((block, here))
            here = _branch(block, keyword, rest)
        elif keyword == "else" and stack:
            also = rest.split(maxsplit=1)
            here = _branch(stack[-1][0], "else " + also[0] if also else "else", "".join(also[1:]))
        elif keyword == "end" and stack:
            _, here = stack.pop()
        elif not inside.startswith("/*"):
            here.append(Expression(inside, found[0]))
    if stack:
        raise NotKnown("has a condition without an end")
    here.append(text[position:])
    return top


def unreadable(text: str) -> tuple[str, str]:
    """(why Go does not parse a template, the word that it does not know), or two empty texts.

    Only what is certain is looked at: words that are functions by their form and that nothing
    defines, and places without an end.

    >>> unreadable("{{ .env | foo }}")
    ('function "foo" is not defined', 'foo')
    """
    for action in ACTION.finditer(text):
        if action[2].lstrip().startswith("/*"):
            continue
        for found in WORD.finditer(action[2]):
            word = found[1]
            if re.fullmatch(r"[A-Za-z_]\w*", word) and word not in {*NAMES, *KEYWORDS, *LITERALS}:
                return f'function "{word}" is not defined', word
    return ("a {{ has no }}", "") if "{{" in ACTION.sub("", text) else ("", "")


def _branch(block: Block, keyword: str, expression: str) -> list[str | Block | Expression]:
    content: list[str | Block | Expression] = []
    block.branches.append((keyword, expression, content))
    return content


def _written(
    nodes: list[str | Block | Expression], dot: Any, *, partly: bool, root: Any = None
) -> Iterator[str]:
    root = dot if root is None else root
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, Expression):
            yield _place(node, dot, root, partly=partly)
        else:
            yield from _block(node, dot, root, partly=partly)


def _place(node: Expression, dot: Any, root: Any, *, partly: bool) -> str:
    try:
        return as_shown(_value(node.expression, dot, root))
    except NotKnown:
        if partly:
            return node.text
        raise


def _value(expression: str, dot: Any, root: Any) -> Any:
    value = evaluated(expression, dot, root)
    missing = _missing(expression, dot, root)
    if missing and (value is None or expression.startswith(missing)):
        raise Unfilled(f"uses {missing}")
    if value is None:
        raise NotKnown(f"uses {expression}")
    return value


def _missing(expression: str, dot: Any, root: Any) -> str:
    """The first field that an expression asks for and that is not there; "" if they all are.

    One that the function `default` takes may be missing.
    """
    words = [found[1] for found in WORD.finditer(expression)]
    for word in words if "default" not in words else ():
        if re.fullmatch(r"\$?(\.\w+)+", word):
            *above, last = word.lstrip("$").split(".")[1:]
            holder = at(root if word.startswith("$") else dot, *above)
            if not isinstance(holder, dict) or last not in holder:
                return word
    return ""


def _block(block: Block, dot: Any, root: Any, *, partly: bool) -> Iterator[str]:
    for keyword, expression, content in block.branches:
        if keyword == "else":
            yield from _written(content, dot, partly=partly, root=root)
            return
        value = evaluated(expression, dot, root)
        if not value:
            continue
        rounds = [dot]
        if keyword.endswith("with"):
            rounds = [value]
        elif keyword.endswith("range"):
            rounds = list(value.values() if isinstance(value, dict) else value)[:MOST_ROUNDS]
        for each in rounds:
            yield from _written(content, each, partly=partly, root=root)
        return


def evaluated(expression: str, dot: Any, root: Any) -> Any:
    """The value of an expression; None where a field is not there.

    Raises:
        NotKnown: it has a function or a form that is not read here.
    """
    words = [found[1] for found in WORD.finditer(expression)]
    if not words or ":=" in words or words[0] in {"template", "block", "define", "break"}:
        raise NotKnown(f"uses {expression}")
    try:
        value, rest = _pipeline(words, dot, root)
    except NotKnown:
        raise
    except Exception as error:  # a function of other arguments than it takes
        raise NotKnown(f"uses {expression}") from error
    if rest:
        raise NotKnown(f"uses {expression}")
    return value


def _pipeline(words: list[str], dot: Any, root: Any) -> tuple[Any, list[str]]:
    piped: list[Any] = []
    while True:
        arguments: list[Any] = []
        name = ""
        while words and words[0] not in {"|", ")"}:
            word, words = words[0], words[1:]
            if word == "(":
                value, words = _pipeline(words, dot, root)
                words = words[1:]  # the closing bracket
                if words and words[0].startswith("."):
                    value, words = _field(value, words[0]), words[1:]
                arguments.append(value)
            elif not arguments and not name and word in FUNCTIONS:
                name = word
            else:
                arguments.append(_operand(word, dot, root))
        arguments += piped
        value = FUNCTIONS[name](*arguments) if name else _only(arguments)
        if not words or words[0] == ")":
            return value, words
        piped, words = [value], words[1:]


def _only(arguments: list[Any]) -> Any:
    if len(arguments) != 1:
        raise NotKnown("uses a function that is not read here")
    return arguments[0]


def _operand(word: str, dot: Any, root: Any) -> Any:
    if word[0] in "\"'`":
        return word[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if word.startswith("$"):
        if word != "$" and not word.startswith("$."):
            raise NotKnown(f"uses {word}")
        return _field(root, word[1:])
    if word.startswith("."):
        return _field(dot, word)
    if re.fullmatch(r"-?\d+", word):
        return int(word)
    if word in LITERALS:
        return LITERALS[word]
    raise NotKnown(f"uses {word}")


def _field(value: Any, path: str) -> Any:
    return at(value, *[part for part in path.split(".") if part])
