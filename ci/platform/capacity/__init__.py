"""Does everything that the environments request fit the nodes described, how full, at what price.

`report` is a pure function of rendered resources, the described cluster and the price table:

    >>> from ci.platform.capacity import load_addons, load_cluster, load_prices, report
    >>> prices = load_prices(Path("infra/prices.yaml"))
    >>> cluster = load_cluster(Path("infra/eksctl/cluster.yaml"))
    >>> report({"dev": render_objects(Path("overlays/dev"))}, cluster, prices).fits
    True
"""

from ci.platform.capacity.addons import load_addons
from ci.platform.capacity.eksctl import EksCluster, NodeGroup, load_cluster
from ci.platform.capacity.prices import Prices, load_prices
from ci.platform.capacity.verdict import CapacityReport, report

__all__ = [
    "CapacityReport",
    "EksCluster",
    "NodeGroup",
    "Prices",
    "load_addons",
    "load_cluster",
    "load_prices",
    "report",
]
