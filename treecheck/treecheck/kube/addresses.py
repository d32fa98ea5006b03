"""IP addresses and networks."""

from __future__ import annotations

import ipaddress
from typing import Any


def is_address(value: Any) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True


def is_network(value: str) -> bool:
    """Whether a text is a network in CIDR notation; host bits may be set, as in Kubernetes."""
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return "/" in value
