"""Fetches Kubernetes' own Pod Security fixtures, with which the tests compare the rules.

They are part of the Go module k8s.io/pod-security-admission. The `go` program brings it from where
its own settings say and unpacks it; the checksum below is that of go.sum.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

MODULE = "k8s.io/pod-security-admission"
SUMS = {
    "v0.32.13": "h1:NaHZ3C9zXDEQJlj3hg49jLgErAlae1MRo290fSPjD8c=",
    "v0.35.4": "h1:2IK2zlpjCPCgtJwtGGIxP9rIj4mwUp5nQ2EKPn940E4=",
}


def fetch(version: str) -> Path:
    """The folder of one release of the module; ends the program when it can't be had as it was."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", f"{MODULE}@{version}"],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"error: go could not fetch {MODULE} {version}: {done.stdout}{done.stderr}")
    module = json.loads(done.stdout)
    if module["Sum"] != SUMS[version]:
        sys.exit(f"error: {MODULE} {version} has the checksum {module['Sum']}, not {SUMS[version]}")
    return Path(module["Dir"])


def main(target: Path) -> None:
    """Copy the fixtures of both releases below `target`: RELEASE/fail and RELEASE/pass."""
    if shutil.which("go") is None:
        sys.exit("error: no program go on the PATH, and the fixtures come as a Go module")
    for version in SUMS:
        release = f"1.{version.split('.')[1]}"
        there = fetch(version) / "test" / "testdata" / "restricted" / f"v{release}"
        for verdict in ("fail", "pass"):
            folder = target / release / verdict
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for file in there.joinpath(verdict).iterdir():
                folder.joinpath(file.name).write_bytes(file.read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
