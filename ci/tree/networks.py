"""Ranges of addresses (CIDR) that a load balancer lets in: which are valid, and what they mean."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EVERYBODY = "0.0.0.0/0"
# RFC 1918, and RFC 6598: addresses that never arrive from the internet.
PRIVATE = tuple(
    ipaddress.IPv4Network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
# A security group has 60 rules (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html),
# and the cloud controller writes two for each range: the port's, and one for ICMP.
MOST = 30


def problem(value: str) -> str:
    """Say what is wrong with a range, or nothing.

    >>> problem("10.0.0.1/8")
    '10.0.0.1/8 has bits beyond its length; the range is 10.0.0.0/8'
    """
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return f"{value} is not a valid range"
    if network.version == 6:
        return f"{value} is IPv6, and a Classic Load Balancer in a VPC has IPv4 addresses only"
    if str(network) == value:
        return ""
    if "/" not in value:
        return f"{value} has no length; one address is {network}"
    if value.rpartition("/")[2] != str(network.prefixlen):
        return f"{value} is written as {network}"
    return f"{value} has bits beyond its length; the range is {network}"


def is_private(value: str) -> bool:
    """Whether a valid range is one that never arrives from the internet."""
    network = ipaddress.IPv4Network(value)
    return any(network.subnet_of(each) for each in PRIVATE)


def stay_inside(values: Iterable[str]) -> bool:
    """Whether no valid range is one that arrives from the internet; of none that is so too."""
    return all(map(is_private, values))


def is_covered(value: str, by: Iterable[str]) -> bool:
    """Whether every address of a range is in the others, also in several together."""
    joined = ipaddress.collapse_addresses(ipaddress.IPv4Network(each) for each in by)
    return any(ipaddress.IPv4Network(value).subnet_of(each) for each in joined)


def are_everybody(values: Iterable[str]) -> bool:
    """Whether valid ranges together are every address, also `0.0.0.0/1` with `128.0.0.0/1`."""
    joined = ipaddress.collapse_addresses(ipaddress.IPv4Network(each) for each in values)
    return [str(each) for each in joined] == [EVERYBODY]
