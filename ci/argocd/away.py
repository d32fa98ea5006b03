"""Why no usable answer came from Argo CD's address, and what helps: one hint for each cause."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

import requests
import urllib3

from ci.argocd.login import how_to_log_in

if TYPE_CHECKING:
    from collections.abc import Iterator

PODS = "kubectl -n argocd get pods"
FORWARD = "kubectl -n argocd port-forward service/argocd-server 8080:443"


class Away(NamedTuple):
    """What is wrong, in a few words, and what to do about it."""

    words: str
    hint: str


def why(error: requests.RequestException, url: str) -> Away:
    """Name the cause of a request that got no answer."""
    chain = list(_chain(error))
    if isinstance(error, requests.exceptions.SSLError):
        return Away(
            f"the certificate of {url} is not trusted: {error}",
            "Give its CA with ARGOCD_OPTS='--server-crt FILE', or --insecure through a"
            " port-forward of your own.",
        )
    words = f"Argo CD at {url} does not answer: {chain[-1]}"
    if any(isinstance(one, ConnectionRefusedError) for one in chain):
        return Away(
            words,
            "Nothing listens there. If it is a port-forward, it has ended; start it again:\n"
            f"{FORWARD}\nDoes Argo CD run?\n{PODS}",
        )
    resolving = (socket.gaierror, urllib3.exceptions.NameResolutionError)
    if any(isinstance(one, resolving) for one in chain):
        return Away(
            words,
            "No DNS server knows that name. Check ARGOCD_SERVER (or `argocd context`), and whether"
            " the VPN is up.",
        )
    if isinstance(error, requests.exceptions.Timeout):
        return Away(
            words,
            "Something there is slow, or drops what is sent. Check the VPN; does Argo CD run?\n"
            f"{PODS}",
        )
    return Away(words, how_to_log_in())


def of_a_gateway(status: int) -> str:
    """The hint for a 5xx by which a load balancer, or argocd-server, says that nobody serves."""
    if status not in (502, 503, 504):
        return ""
    return f"A load balancer answers, and no pod behind it. Does argocd-server run?\n{PODS}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that caused it, the innermost last: a person can act on that one."""
    yield error
    inner = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
    inner = inner or getattr(error, "reason", None) or error.__cause__
    if isinstance(inner, BaseException):
        yield from _chain(inner)
