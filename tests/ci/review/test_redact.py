"""A secret planted anywhere never appears in the comment, nor in the JSON."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from ci.review.markdown import write_markdown
from ci.review.redact import clean, clean_sentence, redacted
from ci.review.report import as_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.review.report import Comparison

PASSWORD = "correct-horse-battery"
ENCODED = base64.b64encode(PASSWORD.encode()).decode()
RANDOM = "Zx81pQ0vR7mK2sT9wY4uB6nE"
TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
KEY = "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkq\\n-----END PRIVATE KEY-----"

BEFORE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"
POD = """apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  annotations: {{{annotation}}}
spec:
  containers:
    - name: web
      image: registry.example.com/web:1.0.0
      command: {command}
      env: {env}
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n  namespace: shop\ndata:\n  {0}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: shop\n{0}:\n  {1}\n"


def pod(annotation: str = "", command: str = "[]", env: str = "[]") -> str:
    return POD.format(annotation=annotation, command=command, env=env)


PLANTED = {
    "secret-data": (SECRET.format("data", f"any: {ENCODED}"), ENCODED),
    "secret-string-data": (SECRET.format("stringData", f"any: {PASSWORD}"), PASSWORD),
    "config-map-by-name": (CONFIG.format(f"DB_PASSWORD: {PASSWORD}"), PASSWORD),
    "config-map-inside-text": (CONFIG.format(f'app.ini: "password = {PASSWORD}"'), PASSWORD),
    "config-map-json": (CONFIG.format(f'a.json: \'{{"api_key": "{PASSWORD}"}}\''), PASSWORD),
    "config-map-random": (CONFIG.format(f"anything: {RANDOM}"), RANDOM),
    "config-map-url": (CONFIG.format(f"u: postgres://shop:{PASSWORD}@db/shop"), PASSWORD),
    "config-map-key-file": (CONFIG.format(f'tls.pem: "{KEY}"'), "MIIEvQIBADANBgkq"),
    "variable": (pod(env=f"[{{name: API_TOKEN, value: {PASSWORD}}}]"), PASSWORD),
    "variable-form": (pod(env=f"[{{name: X, value: {TOKEN}}}]"), TOKEN),
    "argument": (pod(command=f"[web, --db-password={PASSWORD}]"), PASSWORD),
    "argument-apart": (pod(command=f"[web, --password, {PASSWORD}]"), PASSWORD),
    "shell": (pod(command=f'[sh, -c, "PGPASSWORD={PASSWORD} psql"]'), PASSWORD),
    "annotation": (pod(annotation=f'note: "token: {PASSWORD}"'), PASSWORD),
    "annotation-form": (pod(annotation=f"note: {TOKEN}"), TOKEN),
}


@pytest.mark.parametrize("place", sorted(PLANTED))
@pytest.mark.parametrize("removed", [False, True], ids=["added", "removed"])
def test_a_planted_secret_never_appears(
    place: str, removed: bool, compared: Callable[[str, str], Comparison]
) -> None:
    planted, secret = PLANTED[place]
    sides = (planted, BEFORE) if removed else (BEFORE, planted)

    report = compared(*sides)

    assert secret not in write_markdown(report)
    assert secret not in json.dumps(as_data(report))
    assert "redacted" in write_markdown(report)


def test_two_secrets_are_told_apart_without_being_told() -> None:
    one, other = (
        redacted({"kind": "Secret", "stringData": {"k": value}})["stringData"]["k"]
        for value in (PASSWORD, PASSWORD + "!")
    )

    assert one != other
    assert one.startswith("(redacted, ")


@pytest.mark.parametrize(
    "text",
    [
        "secretName: coworking-secret",
        "image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking:12-0a1b2c3d",
        "DB_PASSWORD_FILE=/run/secrets/coworking/password",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_what_is_no_secret_is_left_readable(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize("flag", ["--license-key", "--licence-key", "--signing_key", "--auth-key"])
def test_the_value_of_a_flag_that_names_a_key_is_hidden(flag: str) -> None:
    assert "9f8e7d6c5b4a39" not in clean(f"serve {flag}=9f8e7d6c5b4a39")


def test_a_sentence_keeps_the_words_after_a_kind() -> None:
    said = "the project does not allow Secret: the sync fails"

    assert clean_sentence(said) == said
    assert "hunter2" not in clean_sentence("env[0] is password: hunter2")


def test_no_finding_quotes_the_value_of_a_secret(
    compared: Callable[[str, str], Comparison],
) -> None:
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: web, namespace: shop}\n"
        "stringData:\n  PIN: 73318842\n  OPEN: true\ndata:\n  KEY: not-base-64!\n"
    )
    report = compared("", secret)

    assert {each.rule for each in report.findings} >= {"unquoted-value", "not-base64"}
    for text in (write_markdown(report), json.dumps(as_data(report))):
        assert "73318842" not in text
        assert "not-base-64!" not in text


def test_a_finding_stays_a_sentence_though_it_quotes_a_secret(
    compared: Callable[[str, str], Comparison],
) -> None:
    text = pod(env="[{name: API_TOKEN, value: 48151623}]")
    found = [each for each in compared("", text).findings if each.rule == "unquoted-value"]
    comment = write_markdown(compared("", text))

    assert len(found) == 1
    assert "48151623" not in comment
    assert (
        "(hidden) is not text, and text belongs there: the API server can't read the manifest."
        in comment
    )


def test_an_ordinary_word_that_is_somebodys_password_stays_where_it_means_something_else(
    compared: Callable[[str, str], Comparison],
) -> None:
    """A development password is often the name of the service."""
    comment = write_markdown(compared("", pod(env="[{name: DB_PASSWORD, value: registry}]")))

    assert "value: (redacted, " in comment
    assert "registry.example.com/web:1.0.0" in comment
