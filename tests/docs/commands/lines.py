"""Finds every command line of the repository: in pages, comments, hints, scripts and the plan."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from click.testing import CliRunner

from ci.cli import group
from tests.docs.commands import verbs
from tests.docs.commands.first_words import is_command
from tests.docs.commands.shell import PLACEHOLDER, simple_commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[3]
TOOLS = ("aws", "eksctl", "kubectl", "argocd")
TESTS = ("tests/", "treecheck/tests/")
PLAN = "python -m ci plan"
_TOOL = "|".join(TOOLS)
_FENCE = re.compile(r"^( *)(```|~~~).*?^ *\2[ \t]*$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<![`\\])`([^`]+)`(?!`)")
# A tool's name and a word that can be an option or a subcommand.
_COMMAND = rf"(?:{_TOOL})[ \t]+-{{0,2}}[a-z][a-z0-9-]*(?:[\s=]|$)"
# A command in a hint: alone on a line, or behind a colon.
_WHOLE = re.compile(rf"(?:^[ \t]*|: +)(?={_COMMAND})", re.MULTILINE)
_INDENTED = re.compile(rf"^(?: {{2,}}|\t)(?={_COMMAND})", re.MULTILINE)
_YAML_VALUE = re.compile(rf"^ *(?:- +)?(?:[\w-]+: +)?['\"]?(?={_COMMAND})", re.MULTILINE)


class Line(NamedTuple):
    """A command as it stands somewhere.

    Attributes:
        file: its path from the repository's root, or what printed it.
        number: its line in the file, from 1.
        words: the shell's words, the tool's name first.
        mention: it names a command in running text, or is filled in when it runs, so it may leave
            out what the command needs.
    """

    file: str
    number: int
    words: tuple[str, ...]
    mention: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {' '.join(self.words)}"


@cache
def lines_of_the_tree() -> tuple[Line, ...]:
    """Every line of the tracked files, tests aside, and of the plan that `ci plan` prints.

    Raises:
        ValueError: a text with the name of a tool in it can't be split as the shell does.
    """
    found = [line for name, text in texts() for line in lines_of(name, text)]
    return tuple(found)


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """(name, text) of everything that is searched."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    files = [name for name in listed if name and not name.startswith(TESTS)]
    read = []
    for name in files:
        path = ROOT / name
        try:
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
        except UnicodeDecodeError:  # a picture
            continue
        if re.search(rf"\b(?:{_TOOL}|ci)\b", text):
            read.append((name, text))
    return (*read, (PLAN, printed_plan()))


def printed_plan() -> str:
    """What the plan's verb prints for this repository's own settings."""
    done = CliRunner().invoke(group, ["plan"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def lines_of(name: str, text: str) -> Iterator[Line]:
    """The command lines of one text; its name says how it is written."""
    if name.endswith(".md"):
        yield from _of_markdown(name, text)
    elif name.endswith(".py"):
        yield from _of_python(name, text)
    elif name.endswith((".yaml", ".yml", ".toml", ".in", ".cfg")):
        yield from _of_comments(name, _hash_comments(text))
        yield from _starting_at(name, text, 1, _YAML_VALUE)
    else:  # scripts, the Makefile and the plan
        # A recipe's line may begin with marks of make's own.
        yield from _of_shell(name, re.sub(r"^\t[@+-]+", "\t", text, flags=re.MULTILINE), 1)
        yield from _of_comments(name, _hash_comments(text))


def _of_markdown(name: str, text: str, first: int = 1) -> Iterator[Line]:
    for block in _FENCE.finditer(text):
        body = block[0].split("\n", 1)[1].rsplit("\n", 1)[0]
        yield from _of_shell(name, body, first + text.count("\n", 0, block.start()) + 1)
    rest = _FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)
    yield from _of_spans(name, rest, first)


def _of_spans(name: str, text: str, first: int) -> Iterator[Line]:
    """Code in running text, which may be wrapped; a table escapes its bars."""
    for span in _SPAN.finditer(text):
        code = re.sub(r"\s+", " ", span[1].replace("\\|", "|")).strip()
        if re.match(rf"(?:\S* )*(?:{_TOOL}|ci)\b", code):
            number = first + text.count("\n", 0, span.start())
            yield from _of_shell(name, code, number, mention=True)


def _of_shell(name: str, text: str, first: int, *, mention: bool = False) -> Iterator[Line]:
    try:
        for simple in simple_commands(text):
            words = _without_python(simple.words)
            if words[0] in (*TOOLS, "ci") and len(words) > 1:
                brief = mention and _is_brief(words)
                yield Line(name, first + simple.line, words, brief)
    except ValueError as error:
        number, _, rest = str(error).partition(": ")
        if re.search(rf"\b(?:{_TOOL})[ \t]+[-\w]", rest):
            raise ValueError(f"{name}:{first + int(number)}: {rest}") from error


def _without_python(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a verb's line from `ci` on, however it is called."""
    return next(
        (("ci", *words[len(call) :]) for call in verbs.CALLS if words[: len(call)] == call), words
    )


def _is_brief(words: Sequence[str]) -> bool:
    """Whether it names a command alone, or has parts that are filled in when it runs."""
    return PLACEHOLDER in words or not any(word.startswith("-") for word in words)


def _starting_at(name: str, text: str, first: int, pattern: re.Pattern[str]) -> Iterator[Line]:
    """The commands that begin where the pattern ends, each to the end of its logical line."""
    for match in pattern.finditer(text):
        rest = text[match.end() :].splitlines()
        tool, second = rest[0].split()[:2]
        if not is_command(tool, second):
            continue  # a sentence about the tool
        count = 1
        while rest[count - 1].endswith("\\") and count < len(rest):
            count += 1
        quoted = match[0][-1:] in "'\"" and match[0][-1:]
        code = "\n".join(rest[:count])
        code = code.removesuffix(match[0][-1]) if quoted else code
        yield from _of_shell(name, code, first + text.count("\n", 0, match.end()), mention=True)


def _hash_comments(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each comment that stands on lines of its own, or behind something."""
    for number, line in enumerate(text.splitlines(), 1):
        if comment := re.search(r"(?:^|\s)#(.*)", line):
            yield number, comment[1]


def _of_comments(name: str, comments: Iterator[tuple[int, str]]) -> Iterator[Line]:
    """Joins comments of neighbouring lines, since code in them may be wrapped."""
    block: list[str] = []
    start = last = 0
    for number, text in comments:
        if block and number != last + 1:
            yield from _of_prose(name, "\n".join(block), start)
            block = []
        if not block:
            start = number
        block.append(text)
        last = number
    if block:
        yield from _of_prose(name, "\n".join(block), start)


def _of_prose(name: str, text: str, first: int) -> Iterator[Line]:
    yield from _of_spans(name, text, first)
    yield from _starting_at(name, _SPAN.sub("", text), first, _INDENTED)


def _of_python(name: str, text: str) -> Iterator[Line]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = ((t.start[0], t.string[1:]) for t in tokens if t.type == tokenize.COMMENT)
    yield from _of_comments(name, comments)
    tree = ast.parse(text)
    documentation = {id(each) for each in _docstrings(tree)}
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(each) for each in node.values}
        if id(node) in inside:
            continue
        if isinstance(node, ast.Call) and _is_pattern(node):
            inside |= {id(each) for each in ast.walk(node)}
        elif isinstance(node, ast.List | ast.Tuple):
            yield from _of_arguments(name, node)
        elif (string := _string(node)) is not None and isinstance(node, ast.expr):
            if id(node) in documentation:
                yield from _of_prose(name, string, node.lineno)
            else:
                yield from _of_spans(name, string, node.lineno)
                yield from _starting_at(name, _SPAN.sub("", string), node.lineno, _WHOLE)


def _is_pattern(call: ast.Call) -> bool:
    """Whether it makes a regular expression; what that matches is looked at where it stands."""
    return isinstance(call.func, ast.Attribute) and call.func.attr in {"compile", "search", "match"}


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str()) as value), *_]:
                    yield value


def _string(node: ast.AST) -> str | None:
    """A string, with a placeholder for each value that is only known when it runs."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_string(each) or PLACEHOLDER for each in values)
    return None


def _of_arguments(name: str, node: ast.List | ast.Tuple) -> Iterator[Line]:
    """A list of arguments that starts with the name of a tool."""
    words = [_string(each) or PLACEHOLDER for each in node.elts]
    if len(words) > 1 and words[0] in TOOLS and is_command(words[0], words[1]):
        yield Line(name, node.lineno, tuple(words), mention=True)
