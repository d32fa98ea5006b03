"""Where the branch lives and who we are there: the URL, the token, and git's environment.

git gets only the configuration that is named here, and the token only by GIT_ASKPASS, whose helper
reads it from a variable or from its file: so it is in no argument, no configuration and no trace.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ci.errors import InputError
from ci.hidden import remember
from ci.run import Done, execute

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = ("https", "http", "ssh", "file")
# The name that GitHub documents for a token of an app; every host takes any name with a token.
DEFAULT_USER = "x-access-token"
_ASKPASS = """\
#!/bin/sh
# git asks "Username for 'https://host': " and then for the password. Another host, to which a
# redirect may have led, gets no answer.
case "$1" in
  *"/$WRITEBACK_HOST'"* | *"@$WRITEBACK_HOST'"*) ;;
  *) exit 1 ;;
esac
case "$1" in
  Username*) printf '%s\\n' "$WRITEBACK_USER" ;;
  *) if [ -n "$WRITEBACK_TOKEN_FILE" ]; then
       sed -n '/[^[:space:]]/{s/^[[:space:]]*//;s/[[:space:]]*$//;p;}' "$WRITEBACK_TOKEN_FILE"
     else printf '%s\\n' "$WRITEBACK_TOKEN"; fi ;;
esac
"""


class Token(NamedTuple):
    """A secret that identifies us, and the file that it came from, if it came from one."""

    secret: str
    file: Path | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Token | None:
        """Read GIT_TOKEN_FILE or GIT_TOKEN; None when neither is set.

        Raises:
            InputError: the file can't be read, or the secret has more than one line.
        """
        name = environment.get("GIT_TOKEN_FILE", "")
        secret = environment.get("GIT_TOKEN", "")
        if name:
            try:
                secret = Path(name).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(
                    f"GIT_TOKEN_FILE {name!r} can't be read: {type(error).__name__}",
                    hint="Name a readable file with the token on its only line.",
                ) from error
        secret = secret.strip()
        if not secret:
            return None
        if not secret.isprintable():
            raise InputError(
                "the token in GIT_TOKEN_FILE or GIT_TOKEN is not one line of text",
                hint="A token is one line of printable characters.",
            )
        return cls(remember(secret), Path(name).absolute() if name else None)


def check_url(url: str) -> str:
    """Return the URL of a repository, or raise an InputError that doesn't show what may be secret.

    Accepted are https, http, ssh (also `git@host:path`), file and a folder's path.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InputError("the URL of the git repository can't be read", hint=str(error)) from error
    has_scheme = "://" in url or "::" in url
    is_scp_like = re.match(r"[\w.-]+@[\w.-]+:(?!:)", url) is not None
    # Also where the scheme has a typing error or was left out.
    looks_secret = not has_scheme and re.match(r"(\w+:/*)?[^/@:\s]*:[^/@\s]+@", url) is not None
    if parts.password or (parts.username and parts.scheme != "ssh") or looks_secret:
        raise InputError(
            f"the URL for {parts.hostname or 'git'} has a user name or password in it",
            hint="Give the URL without it; the token comes in GIT_TOKEN or GIT_TOKEN_FILE, the"
            f" user name in GIT_USER ({DEFAULT_USER} if unset).",
        )
    known = parts.scheme in SCHEMES and "::" not in url.partition("/")[0]
    if not url or url.startswith("-") or (has_scheme and not known) or not url.isprintable():
        raise InputError(
            f"{url!r} is not the URL of a git repository",
            hint=f"Give a URL of {', '.join(SCHEMES)}, or the path of a folder.",
        )
    return url if has_scheme or is_scp_like else str(Path(url).absolute())


def check_branch(name: str) -> str:
    """Return a branch's name, or raise an InputError; stricter than `git check-ref-format`."""
    if not re.fullmatch(r"(?!.*(\.\.|//|/\.|\.lock(/|$)))\w[\w./+-]*(?<![./])", name, re.ASCII):
        raise InputError(
            f"{name!r} is not the name of a branch",
            hint="Give a name such as main or release/1.2, without refs/heads/.",
        )
    return name


def branch_name(*parts: str) -> str:
    """Join parts to a branch's name, with `-` for what git doesn't accept in a branch.

    The rules are those of git-check-ref-format, and stricter, as in `check_branch`.

    >>> branch_name("deploy", "dev", "coworking-v1..2")
    'deploy/dev/coworking-v1-.2'
    """
    plain = (re.sub(r"[^\w.+-]", "-", part, flags=re.ASCII) for part in parts)
    return "/".join(re.sub(r"^\.|\.(?=\.|lock$|$)", "-", part) for part in plain)


def check_config(file: Path) -> None:
    """Raise an InputError unless git can read the configuration file of --git-config."""
    said = "it is not a file"
    if file.is_file():
        done = _git_config(file, "--list")
        if done.status == 0:
            return
        said = " ".join(done.stderr.decode(errors="replace").split())
    raise InputError(
        f"--git-config {str(file)!r} can't be used: {said}",
        hint="Name a file in the form of ~/.gitconfig.",
    )


def _git_config(file: Path, word: str) -> Done:
    return execute(["git", "config", "--includes", "--file", file.absolute(), word])


def git_environment(
    environment: Mapping[str, str],
    scratch: Path,
    *,
    url: str,
    token: Token | None,
    config: Path | None,
) -> dict[str, str]:
    """Build git's whole environment: ours without any GIT_* variable, and what isolates it.

    Args:
        environment: this process's own; proxies, HOME for ssh and gpg, and PATH are kept.
        scratch: a private folder, for the GIT_ASKPASS helper.
        url: the remote; a token is shown to http and https alone, so that neither ssh nor a
            local repository's hooks ever see it.
        config: a git configuration file to use in place of the user's, or None for none.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("GIT_")}
    kept.update(
        GIT_CONFIG_NOSYSTEM="1",
        GIT_CONFIG_GLOBAL=str(config.absolute()) if config else os.devnull,
        GIT_ATTR_NOSYSTEM="1",
        GIT_TERMINAL_PROMPT="0",
        GIT_ASKPASS="false",  # a program that answers nothing: never a person at a terminal
        SSH_ASKPASS="false",
        GIT_ALLOW_PROTOCOL=":".join(SCHEMES),
        GIT_OPTIONAL_LOCKS="0",
        GIT_LITERAL_PATHSPECS="1",
        LC_ALL="C",
    )
    if config is None or _git_config(config, "core.sshCommand").status != 0:
        kept["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes"  # it would win over the file's
    if token and urlsplit(url).scheme in ("http", "https"):
        kept |= _asking_for(token, environment.get("GIT_USER") or DEFAULT_USER, scratch, url)
    return kept


def _asking_for(token: Token, user: str, scratch: Path, url: str) -> dict[str, str]:
    helper = scratch / "askpass"
    helper.write_text(_ASKPASS, encoding="utf-8")
    helper.chmod(stat.S_IRWXU)
    return {
        "GIT_ASKPASS": str(helper),
        "WRITEBACK_HOST": urlsplit(url).netloc,
        "WRITEBACK_USER": user,
        **(
            {"WRITEBACK_TOKEN_FILE": str(token.file)}
            if token.file
            else {"WRITEBACK_TOKEN": token.secret}
        ),
    }
