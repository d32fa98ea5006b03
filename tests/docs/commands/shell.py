"""Splits shell text into simple commands: pipes, lists, continuations, substitutions, heredocs."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# What stands for a value that only the reader knows, or that the shell would compute.
PLACEHOLDER = "PLACEHOLDER"
_ANGLES = re.compile(r"<[A-Za-z][A-Za-z0-9_ -]*>")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_REDIRECTED = re.compile(r"(?<=\s)\d?[<>]&\d\b|(?<=\s)\d(?=[<>])")
# Words after which a command follows, as in `for each in a b; do kubectl …; done`.
_BEFORE_COMMANDS = {"do", "then", "else", "if", "while", "until", "!", "{", "exec", "sudo", "time"}
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)


class Simple(NamedTuple):
    """A simple command: its words, and its line counted from the text's first, which is 0."""

    words: tuple[str, ...]
    line: int


def simple_commands(text: str) -> Iterator[Simple]:
    """Every simple command of a text, those in `$(…)` included.

    Raises:
        ValueError: a quotation is not closed; the message begins with the line's number.
    """
    for line, logical in _logical_lines(text):
        try:
            for words in _commands(logical):
                yield Simple(tuple(words), line)
        except ValueError as error:
            raise ValueError(f"{line}: {error}: {logical}") from error


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations, less the bodies of heredocs."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        first, logical = number, lines[number]
        while number + 1 < len(lines) and (logical.endswith("\\") or _is_open(logical)):
            number += 1
            logical = logical.removesuffix("\\") + ("" if logical.endswith("\\") else "\n")
            logical += lines[number]
        number += 1
        if heredoc := _HEREDOC.search(logical):
            while number < len(lines) and lines[number].strip() != heredoc[2]:
                number += 1
            number += 1
            logical = _HEREDOC.sub(" ", logical)
        yield first, logical


def _is_open(logical: str) -> bool:
    """Whether a quotation goes on in the next line, as a JSON argument of several lines does."""
    return logical.count("'") % 2 == 1 and "'{" in logical


def _commands(logical: str) -> Iterator[list[str]]:
    text, inner = _without_substitutions(logical.strip().removeprefix("$ "))
    for each in inner:
        yield from _commands(each)
    text = _REDIRECTED.sub("", _ANGLES.sub(PLACEHOLDER, _without_comment(text)))
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    redirected = False
    for word in lexer:
        if word and set(word) <= set("();|&"):
            yield from _unless_empty(words)
            words, redirected = [], False
        elif word and set(word) <= set("<>&"):
            redirected = True
        elif redirected:
            redirected = False
        elif not words and (word in _BEFORE_COMMANDS or _ASSIGNMENT.fullmatch(word)):
            continue
        else:
            words.append(word)
    yield from _unless_empty(words)


def _unless_empty(words: list[str]) -> Iterator[list[str]]:
    if words:
        yield words


def _without_substitutions(text: str) -> tuple[str, list[str]]:
    """The text with a placeholder for each `$(…)`, and what stood in them."""
    inner: list[str] = []
    while (start := text.find("$(")) >= 0:
        depth, end = 1, start + 2
        while depth and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        inner.append(text[start + 2 : end - 1])
        text = text[:start] + PLACEHOLDER + text[end:]
    return text, inner


def _without_comment(text: str) -> str:
    quote = ""
    for index, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and (index == 0 or text[index - 1].isspace()):
            return text[:index]
    return text
