"""The Makefile as its user meets it."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_make_alone_lists_every_task_with_one_line() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name, text in re.findall(r"^([a-z0-9-]+):.*## (.+)$", MAKEFILE, re.MULTILINE):
        assert f"make {name} " in done.stdout
        assert text in done.stdout


def test_every_task_is_documented() -> None:
    phony = set(" ".join(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)).split())
    assert phony == set(re.findall(r"^([a-z0-9-]+):.*## ", MAKEFILE, re.MULTILINE))
