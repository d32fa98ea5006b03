"""SSH keys, and branches that take only what one of them has signed."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"
)


def new_key(file: Path) -> Path:
    """Make a key without a passphrase; its public half lies beside it, with the ending `.pub`."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    return file


def demand_signatures(remote: Path, key: Path, owner: str) -> None:
    """Let a bare repository refuse every commit that the key has not signed, on every branch."""
    allowed = remote / "allowed-signers"
    allowed.write_text(f"{owner} {key.with_suffix('.pub').read_text()}")
    subprocess.run(
        ["git", "-C", remote, "config", "gpg.ssh.allowedSignersFile", allowed], check=True
    )
    hook = remote / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\n"
        "while read -r old new ref; do\n"
        '  for commit in $(git rev-list "$new" --not --all); do\n'
        '    git verify-commit "$commit" || exit 1\n'
        "  done\n"
        "done\n"
    )
    hook.chmod(0o755)
