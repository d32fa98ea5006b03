"""`aws` lines, by the awscli package's own parsers and service models, without a request.

A line runs in this process through the real command, up to the moment in which it would ask AWS:
awscli has then found the service and the operation, parsed each option, read JSON and shorthand,
and checked names, types and required parameters against the service's model. Customised commands
(`eks update-kubeconfig`, `cloudformation deploy`, `s3 cp` …) are parsed and not run.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from awscli.clidriver import create_clidriver
from awscli.customizations.commands import BasicCommand
from awscli.customizations.waiters import WaiterCaller

from tests.docs.commands.flags import nearest
from tests.docs.commands.shell import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[3]
# What only version 2 of the command knows, by how the line begins, and why it is in the tree.
V2_ONLY = {
    ("configure", "sso"): "version 1 has no `configure sso`; the plan's login offers it",
    (
        "logs",
        "tail",
    ): "version 1 has no `logs tail`; the older guide used it",
}
# What a file that the reader writes holds, by its name: the plan says so in words.
FILES = {
    "source-token.json": '{"serverType": "GITHUB", "authType": "PERSONAL_ACCESS_TOKEN",'
    ' "shouldOverwrite": false, "token": "example"}',
}
_LEFT_OUT = re.compile(r"arguments are required|Missing required parameter")
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_PAGER": "",
}


def faults(words: Sequence[str], *, mention: bool = False) -> list[str]:
    """What is wrong with a line, a sentence each.

    Args:
        words: the line's words, `aws` first.
        mention: it may leave out what the operation needs.
    """
    arguments = list(words[1:])
    if tuple(arguments[:2]) in V2_ONLY:
        return []
    options = dict.fromkeys(f"--{name}" for name in _driver()._get_cli_data()["options"])
    table: Mapping[str, Any] = _driver()._get_command_table()
    for depth, word in enumerate(_command(arguments)):
        if not table:
            break
        if word not in table:
            return [f"unknown {'operation' if depth else 'service'} {word}{nearest(word, table)}"]
        options |= dict.fromkeys(f"--{name}" for name in getattr(table[word], "arg_table", {}))
        table = _subcommands(table[word])
    given = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    # Version 1 takes the beginning of an option for the whole, and version 2 doesn't.
    if unknown := [word for word in given if word not in options]:
        return [f"unknown option {word}{nearest(word, options)}" for word in unknown]
    refused = _refused([_readable(word) for word in arguments])
    return [] if mention and _LEFT_OUT.search(" ".join(refused)) else refused


def _command(arguments: Sequence[str]) -> Iterator[str]:
    """The words that name a command; global options before it aren't looked for."""
    for word in arguments:
        if word.startswith("-"):
            return
        yield word


def run(
    words: Sequence[str], endpoint: str, *, region: str = "us-east-1"
) -> subprocess.CompletedProcess[str]:
    """Run an `aws` line against something that answers in AWS's place, moto for instance.

    Args:
        words: the line's words, `aws` first.
        endpoint: its address, such as http://127.0.0.1:5000.
        region: where the line names none.
    """
    variables = CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": region}
    return subprocess.run(
        [sys.executable, "-m", "awscli", *words[1:]],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def services() -> Iterable[str]:
    """The names of the services and of the command's own ones, such as `configure`."""
    table: Mapping[str, Any] = _driver()._get_command_table()
    return table


@cache
def _driver() -> Any:
    with mock.patch.dict(os.environ, CREDENTIALS):
        driver = create_clidriver()
    for name in ("awscli", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for each in _customised(BasicCommand):
        if "_run_main" in vars(each):
            each._run_main = _parsed
    WaiterCaller.invoke = _parsed
    driver.session.register("before-parameter-build", _look_at_values)
    driver.session.register("before-call", lambda **_: (SimpleNamespace(status_code=200), {}))
    return driver


@cache
def _wrong_values() -> list[str]:
    """Where the handler below leaves what it finds in the line that is under way."""
    return []


def _look_at_values(params: Any, model: Any, **_: Any) -> None:
    if model.input_shape is not None:
        _wrong_values().extend(_unlisted(params, model.input_shape, ""))


def _unlisted(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Texts that are not one of those that the model lists; botocore itself lets them through."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name in value.keys() & shape.members.keys():
            yield from _unlisted(value[name], shape.members[name], f"{path}.{name}".lstrip("."))
    elif shape.type_name == "list" and isinstance(value, list):
        for index, each in enumerate(value):
            yield from _unlisted(each, shape.member, f"{path}[{index}]")
    elif shape.type_name == "map" and isinstance(value, dict):
        for name, each in value.items():
            yield from _unlisted(each, shape.value, f"{path}.{name}")
    elif (known := getattr(shape, "enum", None)) and value not in known and value != PLACEHOLDER:
        yield f"{path} can't be {value}{nearest(str(value), known)}"


@cache
def _subcommands(command: Any) -> Mapping[str, Any]:
    if isinstance(command, BasicCommand):
        return dict(command.subcommand_table)
    if hasattr(command, "_get_command_table"):
        return dict(command._get_command_table())
    return {}


def _refused(arguments: list[str]) -> list[str]:
    output, wrong = io.StringIO(), _wrong_values()
    wrong.clear()
    with (
        mock.patch.dict(os.environ, CREDENTIALS | {"AWS_DEFAULT_REGION": "us-east-1"}),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        try:
            status = _driver().main(arguments)
        except SystemExit as end:
            status = end.code
    if status == 0:
        return wrong
    said = output.getvalue().strip().split("\n\n")[-1]  # the usage stands before it
    said = said.rpartition("error: ")[2]
    return [" ".join(said.split())]


def _parsed(*_: Any, **__: Any) -> int:
    """In place of what a customised command or a waiter does with its parsed arguments."""
    return 0


def _customised(parent: type[Any]) -> Iterator[type[Any]]:
    for each in parent.__subclasses__():
        yield each
        yield from _customised(each)


def _readable(word: str) -> str:
    """The word with what a file of the reader's would hold in place of its name."""
    name = re.search(r"(?:^|=)fileb?://(.+)", word)
    if name is None or (ROOT / name[1]).exists():
        return word
    return word.replace(name[0].lstrip("="), FILES.get(name[1], "example"))
