"""Which Argo CD to ask, and as whom: from variables first, else from what `argocd login` stored.

The variables are those of the `argocd` command (its page on environment variables), so that a
terminal in which `argocd app list` works needs nothing more.
"""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

from ci.errors import InputError
from ci.hidden import remember
from ci.tree.overlays import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS = Path("argocd") / "config" / "argocd-cm.yaml"


class Login(NamedTuple):
    """An Argo CD and a token for it; `verify` is requests' own: a CA file, True, or False."""

    url: str
    token: str
    verify: str | bool


def how_to_log_in(root: Path = ROOT) -> str:
    """The hint: what works with the Argo CD that this tree describes.

    Single sign-on is suggested only where argocd-cm sets it (`oidc.config` or `dex.config`,
    Argo CD's page on user management); else the accounts that may log in with a password.
    """
    login, others = "argocd login ADDRESS --username NAME", ""
    data = _argocd_settings(root / SETTINGS)
    accounts = [
        key.removeprefix("accounts.")
        for key, abilities in data.items()
        if key.startswith("accounts.") and key.count(".") == 1 and "login" in str(abilities)
    ]
    if data.get("oidc.config") or data.get("dex.config"):
        login = "argocd login ADDRESS --sso"
    elif accounts:
        # The one for whoever is on call comes last in the tree and may do the most.
        login = f"argocd login ADDRESS --username {accounts[-1]}"
        others = f"   (or {', '.join([*accounts[:-1], 'admin'])})"
    return (
        f"{login}{others}\n"
        "or set ARGOCD_SERVER=host:port and ARGOCD_AUTH_TOKEN, the output of\n"
        "`argocd account generate-token`. Without an address of its own, Argo CD is reached by\n"
        "`kubectl -n argocd port-forward service/argocd-server 8080:443` as localhost:8080, with\n"
        "ARGOCD_OPTS=--insecure."
    )


def _argocd_settings(file: Path) -> dict[str, str]:
    """The data of argocd-cm, or nothing where the file can't be read: this is for a hint."""
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))["data"]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {}
    return data if isinstance(data, dict) else {}


def find_login(environ: Mapping[str, str], home: Path | None = None) -> Login:
    """Find the address and the token.

    Args:
        environ: the process's environment. `ARGOCD_URL`, a whole address with its scheme, wins
            over `ARGOCD_SERVER`, which the `argocd` command reads.
        home: the person's home folder.

    Raises:
        InputError: there is no address or no token; the hint says how to get one.
    """
    saved = _saved_login(environ, home or Path.home())
    options = shlex.split(environ.get("ARGOCD_OPTS", ""))
    url = environ.get("ARGOCD_URL") or _url(environ.get("ARGOCD_SERVER", ""), options)
    if not url and saved is None:
        raise InputError(
            "no Argo CD is named: neither ARGOCD_SERVER nor a login of the argocd command is there",
            hint=how_to_log_in(),
        )
    token = _checked(environ.get("ARGOCD_AUTH_TOKEN", ""), "in ARGOCD_AUTH_TOKEN")
    if not url and saved is not None:
        return saved._replace(token=token or saved.token)
    url = url.rstrip("/")
    if not token and saved is not None and saved.url == url:
        token = saved.token
    if not token:
        raise InputError(f"there is no token for Argo CD at {url}", hint=how_to_log_in())
    return Login(url, token, _verify(options))


def _checked(token: str, where: str) -> str:
    """A token as a header can have it: often a line break was read with it.

    Raises:
        InputError: it has more than one line, or letters that no token has; it is not shown.
    """
    token = remember(token.strip())
    if not (token.isascii() and token.isprintable() and " " not in token) and token:
        raise InputError(
            f"the token {where} is not one word of plain letters and digits",
            hint="Set it to the whole output of `argocd account generate-token`, and nothing else.",
        )
    return token


def _url(server: str, options: list[str]) -> str:
    if not server or "://" in server:
        return server
    return f"{'http' if '--plaintext' in options else 'https'}://{server}"


def _verify(options: list[str]) -> str | bool:
    if "--insecure" in options:
        return False
    for word, following in pairwise([*options, ""]):
        if word == "--server-crt":
            return following
        if word.startswith("--server-crt="):
            return word.partition("=")[2]
    return True


def _saved_login(environ: Mapping[str, str], home: Path) -> Login | None:
    """The current context of the argocd command's own file, if it has one with a token."""
    folders = [home / ".config" / "argocd", home / ".argocd"]
    if "ARGOCD_CONFIG_DIR" in environ:
        folders = [Path(environ["ARGOCD_CONFIG_DIR"])]
    for file in (folder / "config" for folder in folders):
        if file.is_file():
            return _current_context(file)
    return None


def _current_context(file: Path) -> Login | None:
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        context = _named(config["contexts"], config["current-context"])
        server = _named(config["servers"], context["server"], key="server")
        user = _named(config["users"], context["user"])
        address, token = server["server"], _checked(user["auth-token"], f"of {file}")
        remember(user.get("refresh-token", ""))
    except (yaml.YAMLError, KeyError, TypeError, StopIteration):
        return None
    scheme = "http" if server.get("plain-text") else "https"
    return Login(f"{scheme}://{address}", token, not server.get("insecure", False))


def _named(entries: list[dict[str, str]], name: str, *, key: str = "name") -> dict[str, str]:
    return next(entry for entry in entries if entry[key] == name)
