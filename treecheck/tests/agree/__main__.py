"""Asks a real API server whether it agrees: thousands of mutated manifests, dry run only.

    KUBECONFIG=/path/to/throw-away/cluster python treecheck/tests/agree

Every rendered environment and every shape of treecheck/tests/shapes is mutated in one field, sent
to the API server with `dryRun=All` and strict field validation, and checked here. Of what the
server refuses, 99 in 100 must be refused here by the layers that speak for it (YAML, schema, API
server); of what it accepts, nothing. Disagreements are kept as files with the server's message.

A dry run hands out no node ports, and so takes some that no server has. What it takes and we refuse
is therefore made once for real, and removed: that answer counts.
"""

from __future__ import annotations

import base64
import json
import os
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import requests
import yaml
from mutations import Mutation, mutate

from treecheck.command import run_command
from treecheck.engine import structural_errors
from treecheck.errors import InputError, TreecheckError
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.schemas import parse_version, schemas

ROOT = Path(__file__).resolve().parents[3]
NAMESPACE = f"validate-agree-{os.getpid()}"
# Answers that depend on what else is on the cluster, not on the manifest.
_STATE = frozenset({403, 404, 429, 500, 503})
_EXISTS = 409
_REFUSALS = frozenset({400, 422})


@dataclass(slots=True)
class Server:
    """An API server, by the client certificate or token of a kubeconfig."""

    url: str
    session: requests.Session
    plurals: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)

    def version(self) -> str:
        """The release that the server runs, such as `v1.30.4`."""
        return str(self.session.get(f"{self.url}/version", timeout=10).json()["gitVersion"])

    def plural(self, api_version: str, kind: str) -> tuple[str, bool] | None:
        """(plural name, whether namespaced) of a kind, or None if it is not served."""
        if not any(known == api_version for known, _ in self.plurals):
            prefix = "api" if "/" not in api_version else "apis"
            answer = self.session.get(f"{self.url}/{prefix}/{api_version}", timeout=10)
            for each in answer.json().get("resources", []) if answer.ok else []:
                if "/" not in each["name"]:
                    self.plurals[api_version, each["kind"]] = (each["name"], each["namespaced"])
            self.plurals.setdefault((api_version, ""), ("", False))
        return self.plurals.get((api_version, kind))

    def dry_run(self, kind: tuple[str, str], body: dict[str, Any]) -> tuple[int, str]:
        """Ask the server to create the manifest without doing it: (HTTP status, its message)."""
        return self._post(self._collection(kind), body, {"dryRun": "All"})

    def create(self, kind: tuple[str, str], body: dict[str, Any]) -> tuple[int, str]:
        """Create the manifest and delete it at once: (HTTP status, the server's message)."""
        url = self._collection(kind)
        status, message = self._post(url, body, {})
        if status < 400:
            self.session.delete(f"{url}/{body['metadata']['name']}", timeout=30)
        return status, message

    def _collection(self, kind: tuple[str, str]) -> str:
        api_version, _ = kind
        plural = self.plural(*kind)
        assert plural is not None
        prefix = "api" if "/" not in api_version else "apis"
        scope = f"/namespaces/{NAMESPACE}" if plural[1] else ""
        return f"{self.url}/{prefix}/{api_version}{scope}/{plural[0]}"

    def _post(self, url: str, body: dict[str, Any], params: dict[str, str]) -> tuple[int, str]:
        answer = self.session.post(
            url,
            params={**params, "fieldValidation": "Strict"},
            data=json.dumps(body),
            headers={"Content-Type": "application/json"},
            timeout=30,
        )
        return answer.status_code, "" if answer.ok else str(answer.json().get("message", ""))


def connect(kubeconfig: Path, folder: Path) -> Server:
    """A session with the current context's cluster; keys are written below `folder`.

    Raises:
        InputError: the file can't be read, or the server does not answer.
    """
    try:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        context = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"])["user"]
        session = requests.Session()
        session.trust_env = False  # a certificate bundle set for the internet would win over ours
        session.verify = _file(cluster, "certificate-authority", folder)
        if "token" in user:
            session.headers["Authorization"] = f"Bearer {user['token']}"
        else:
            key = _file(user, "client-key", folder)
            session.cert = (_file(user, "client-certificate", folder), key)
        session.get(f"{cluster['server']}/version", timeout=10).raise_for_status()
    except (OSError, KeyError, StopIteration, yaml.YAMLError, requests.RequestException) as error:
        raise InputError(
            f"no API server answers by {kubeconfig}: {error}",
            hint="Set KUBECONFIG to that of a throw-away cluster (make cluster).",
        ) from error
    return Server(cluster["server"], session)


def _named(config: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in config[kind] if each["name"] == name)
    return found


def _file(entry: dict[str, Any], name: str, folder: Path) -> str:
    if name in entry:
        return str(entry[name])
    path = folder / name
    path.write_bytes(base64.b64decode(entry[f"{name}-data"]))
    path.chmod(0o600)
    return str(path)


def corpus(server: Server) -> list[dict[str, Any]]:
    """The manifests to mutate: the environments' and the shapes', of kinds that are served."""
    shapes = sorted((ROOT / "treecheck" / "tests" / "shapes").iterdir())
    facts = Facts(ignore=("tests", "treecheck"))
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    inputs = [gather([str(ROOT)], facts), *(gather([str(shape)], Facts()) for shape in shapes)]
    for resource in (each for one in inputs for group in one.sets.values() for each in group):
        plural = server.plural(resource.api_version, resource.kind)
        if plural is None:
            continue
        body = {**resource.body, "metadata": {**resource.metadata}}
        body["metadata"].pop("namespace", None)
        if plural[1]:
            body["metadata"]["namespace"] = NAMESPACE
        found.setdefault((resource.kind, resource.namespace, resource.name), body)
    return [found[key] for key in sorted(found)]


@dataclass(slots=True)
class Case:
    """A mutation with both verdicts."""

    kind: str
    mutation: Mutation
    status: int
    message: str
    ours: list[str]

    @property
    def refused(self) -> bool | None:
        """The server's verdict; None when it depended on the cluster's state."""
        if self.status in _STATE:
            return None
        return self.status >= 400 and self.status != _EXISTS


def ask(server: Server, bodies: list[dict[str, Any]], count: int, seed: int) -> list[Case]:
    """Mutate, ask and check `count` times; the same seed and manifests give the same cases."""
    version = parse_version(server.version())
    known = schemas(version)

    def one(number: int) -> Case:
        chance = random.Random(f"{seed}:{number}")
        body = chance.choice(bodies)
        mutation = mutate(body, known, chance)
        kind = (body["apiVersion"], body["kind"])
        status, message = server.dry_run(kind, mutation.body)
        ours = structural_errors(mutation.body, version)
        if ours and status < 400:
            real = server.create(kind, mutation.body)
            status, message = real if real[0] in _REFUSALS else (status, message)
        return Case(body["kind"], mutation, status, message, ours)

    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(one, range(count)))


def keep(cases: list[Case], folder: Path) -> None:
    """Write each disagreement as a manifest with both verdicts above it; older ones go."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.yaml"):
        old.unlink()
    for number, case in enumerate(cases):
        verdict = "refuses" if case.refused else "accepts"
        head = [
            f"The API server {verdict} it: {case.message}",
            f"Here: {'; '.join(case.ours) or 'nothing found'}",
            f"Mutation: {'.'.join(map(str, case.mutation.path))}: {case.mutation.what}",
        ]
        text = "".join(f"# {line}\n" for each in head for line in each.splitlines())
        name = f"{verdict}-{number:04}-{case.kind.lower()}.yaml"
        (folder / name).write_text(text + yaml.safe_dump(case.mutation.body), encoding="utf-8")


@click.command("agree")
@click.option("--mutations", default=3000, show_default=True, help="How many to try.")
@click.option("--seed", default=1, show_default=True, help="Another seed makes other mutations.")
@click.option(
    "--keep",
    "folder",
    type=click.Path(path_type=Path),
    default=ROOT / ".local" / "agree",
    help="Where disagreements are written.",
)
def command(mutations: int, seed: int, folder: Path) -> None:
    """Compare our verdicts with a throw-away cluster's API server; ends with 1 if they differ."""
    kubeconfig = os.environ.get("KUBECONFIG")
    if not kubeconfig:
        raise InputError(
            "KUBECONFIG is not set, and a throw-away cluster is needed",
            hint="`make cluster` makes one and prints its KUBECONFIG.",
        )
    with tempfile.TemporaryDirectory() as keys:
        server = connect(Path(kubeconfig), Path(keys))
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        server.session.post(f"{server.url}/api/v1/namespaces", json=namespace, timeout=10)
        try:
            cases = ask(server, corpus(server), mutations, seed)
        finally:
            server.session.delete(f"{server.url}/api/v1/namespaces/{NAMESPACE}", timeout=10)
    sys.exit(summarise(cases, folder))


def summarise(cases: list[Case], folder: Path) -> int:
    """Print the counts and keep the disagreements; the exit status."""
    judged = [case for case in cases if case.refused is not None]
    refused = [case for case in judged if case.refused]
    accepted = [case for case in judged if not case.refused]
    missed = [case for case in refused if not case.ours]
    wrong = [case for case in accepted if case.ours]
    keep([*missed, *wrong], folder)
    if len(judged) < len(cases) * 0.9:
        raise TreecheckError(f"the API server judged only {len(judged)} of {len(cases)} manifests")
    share = 100 * (1 - len(missed) / max(len(refused), 1))
    click.echo(
        f"{len(cases)} mutations, {len(cases) - len(judged)} of them not judged by themselves"
    )
    click.echo(f"the API server refuses {len(refused)}; refused here: {share:.1f} %")
    click.echo(f"the API server accepts {len(accepted)}; called its error here: {len(wrong)}")
    if missed or wrong:
        click.echo(f"disagreements are kept in {folder}")
    return int(share < 99 or bool(wrong))


if __name__ == "__main__":
    run_command(command, "agree")
