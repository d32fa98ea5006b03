"""How long the checks before a merge take, and in how much memory, beside other tools.

    .venv/bin/python -m bench.validate

The whole repository cold (nothing kept) and warm, then generated applications of 500, 1,000 and
2,000 resources in one file. Beside it kubernetes-validate and, where `make checkov` has installed
it, checkov.
"""

from __future__ import annotations

import os
import resource  # noqa: TC003 - its name stands in an annotation only
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import yaml

from bench.results import Results
from ci.tree import settings
from ci.tree.overlays import environments
from treecheck.kustomize import render
from treecheck.rendering import cache_folder

ROOT = Path(__file__).resolve().parents[1]
SIZES = (500, 1000, 2000)
CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"


@dataclass(frozen=True)
class Run:
    """One process: seconds, those of a processor, its largest memory in MiB, its exit status."""

    seconds: float
    processor: float
    memory: float
    status: int


def measure(command: list[str | Path], repeat: int = 1) -> Run:
    """The fastest of `repeat` runs; its memory is the largest of any."""
    best = Run(1e9, 1e9, 0, 0)
    for _ in range(repeat):
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = _wait(process)
        seconds = time.perf_counter() - started
        best = Run(
            min(best.seconds, seconds),
            min(best.processor, usage.ru_utime + usage.ru_stime),
            max(best.memory, usage.ru_maxrss / 1024),
            status,
        )
    return best


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, int, resource.struct_rusage]:
    pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return pid, process.returncode, usage


def many(count: int) -> str:
    """`count` resources: Deployments with their ConfigMaps, Services and ServiceAccounts."""
    shape = ROOT / "treecheck" / "tests" / "shapes" / "web-app.yaml"
    kinds = {"ServiceAccount", "ConfigMap", "Deployment", "Service"}
    bodies = [
        body
        for body in yaml.load_all(shape.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        if body["kind"] in kinds
    ]
    text = yaml.dump_all(bodies, Dumper=yaml.CSafeDumper)
    return "".join(
        "---\n" + text.replace("namespace: shop", f"namespace: shop-{number}")
        for number in range(count // len(kinds))
    )


def repository(results: Results) -> None:
    """The whole repository, cold and warm."""
    command: list[str | Path] = [sys.executable, "-m", "ci", "validate"]
    shutil.rmtree(cache_folder(), ignore_errors=True)
    cold, warm = measure(command), measure(command, repeat=5)
    _show("whole repository, cold", cold)
    _show("whole repository, warm", warm)
    results.figures["repository"] = {"cold": vars(cold), "warm": vars(warm)}
    results.promise("the whole repository cold, seconds", cold.seconds, "<=", 4)
    results.promise("the whole repository warm, seconds", warm.seconds, "<=", 1.5)
    results.promise("memory for the whole repository, MiB", warm.memory, "<=", 250)


def growth(results: Results, folder: Path) -> None:
    """500, 1,000 and 2,000 resources: time grows linearly."""
    runs: dict[int, Run] = {}
    for size in SIZES:
        file = folder / f"{size}.yaml"
        file.write_text(many(size), encoding="utf-8")
        runs[size] = measure([sys.executable, "-m", "ci", "validate", file], repeat=2)
        _show(f"{size:,} resources", runs[size])
    results.figures["growth"] = {str(size): vars(run) for size, run in runs.items()}
    results.promise("2,000 resources, seconds", runs[2000].seconds, "<=", 10)
    # Processor time, so that a busy machine does not bend the line.
    first = runs[1000].processor - runs[500].processor
    second = runs[2000].processor - runs[1000].processor
    ratio = second / (2 * first)
    results.promise("the second thousand against twice the second 500", ratio, "<=", 1.5)


def others(results: Results, folder: Path) -> None:
    """The same rendered environments by kubernetes-validate and checkov."""
    file = folder / "environments.yaml"
    file.write_text(
        "---\n".join(render(ROOT / "overlays" / name) for name in environments()), "utf-8"
    )
    program = Path(sys.executable).with_name("kubernetes-validate")
    tools: dict[str, list[str | Path]] = {
        "this": [sys.executable, "-m", "ci", "validate", file],
        "kubernetes-validate": [program, "--strict", "-k", settings.read().kubernetes, file],
    }
    if CHECKOV.is_file():
        tools["checkov"] = [CHECKOV, "--framework", "kubernetes", "--quiet", "-f", file]
    else:
        click.echo("  checkov is not installed; `make checkov` installs it")
    for name, command in tools.items():
        run = measure(command)
        _show(f"both environments, {name}", run)
        results.figures.setdefault("beside", {})[name] = vars(run)


def _show(what: str, run: Run) -> None:
    click.echo(
        f"  {what:<40} {run.seconds:7.2f} s {run.processor:7.2f} s of processor "
        f"{run.memory:6.0f} MiB  status {run.status}"
    )


def main() -> None:
    """Run all three; the status is 1 when a promise is broken."""
    results = Results("validate")
    with tempfile.TemporaryDirectory() as name:
        repository(results)
        growth(results, Path(name))
        others(results, Path(name))
    sys.exit(0 if results.finish() else 1)


if __name__ == "__main__":
    main()
