"""The key that the write-back signs its commits with: from Secrets Manager into a private file.

git signs with an SSH key by `ssh-keygen -Y sign`, and that reads the key from a file
(git-config's manual, gpg.format and user.signingKey).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from ci.aws.client import secret
from ci.errors import InputError
from ci.git.made_commit import MACHINE
from ci.git.scratch import scratch_folder
from ci.run import execute, run
from ci.tree.settings import KEY_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def configuration(signer: str, name: str, region: str) -> Iterator[Path | None]:
    """A git configuration that signs, for as long as the block lasts; None where nobody signs.

    Args:
        signer: the e-mail address that commits are signed as; empty: they are not signed.
        name: the secret that has the private key.
        region: where the secret is.

    Raises:
        InputError: no secret is named, or it does not have a key that can sign by itself.
        AwsError: the secret can't be read.
    """
    if not signer:
        yield None
        return
    if not name:
        raise InputError(
            f"settings.yaml says that {signer} signs the pipeline's commits, and this build names"
            " no SIGNING_KEY_SECRET; nothing was written",
            hint="Deploy the pipeline's stack again, which makes the secret; `make plan` prints the"
            " command.",
        )
    text = secret(name, region)
    with scratch_folder() as folder:
        key = folder / KEY_FILE
        _write_privately(key, text)
        _check_key(key, name)
        config = folder / "settings"
        for setting, value in (
            ("user.name", MACHINE.name),
            ("user.email", signer),
            ("user.signingKey", str(key)),
            ("gpg.format", "ssh"),
        ):
            run(["git", "config", "--file", config, setting, value])
        yield config


def _write_privately(file: Path, text: str) -> None:
    """Write a file that was never readable to anybody else."""
    made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(made, "w", encoding="utf-8", newline="\n") as open_file:
        # OpenSSH wants the last line ended, and reads no carriage returns.
        open_file.write("".join(f"{line}\n" for line in text.splitlines()))


def _check_key(key: Path, name: str) -> None:
    done = execute(["ssh-keygen", "-y", "-P", "", "-f", key], timeout=20)
    if done.status != 0:
        said = " ".join(done.stderr.decode(errors="replace").split()) or "no reason given"
        raise InputError(
            f"the secret {name!r} has no SSH private key that can be used without a passphrase:"
            f" {said.replace(str(key), 'the key')}. Nothing was written",
            hint="Make a new one, put it in, and start the write-back again:\n"
            f"ssh-keygen -t ed25519 -N '' -f {KEY_FILE}\n"
            f"aws secretsmanager put-secret-value --secret-id {name}"
            f" --secret-string file://{KEY_FILE}",
        )
