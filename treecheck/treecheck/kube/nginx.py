"""What a mounted configuration of nginx says of the files that nginx writes."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from treecheck.kube.config import find_store
from treecheck.kube.mounts import mounts
from treecheck.model import as_mapping, as_text

if TYPE_CHECKING:
    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

SETTINGS = PurePosixPath("/etc/nginx")
_TEMPORARY = re.compile(r"^\s*(?:proxy|client_body)_temp_path\s", re.MULTILINE)


def writes_elsewhere(resource: Resource, cluster: Cluster, container: Manifest) -> bool:
    """Whether a mounted configuration names the folders of nginx's temporary files itself.

    Source: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_temp_path
    """
    return any(
        _TEMPORARY.search(text) is not None
        for mount in mounts(resource, cluster)
        if mount.container is container and SETTINGS in (mount.place, *mount.place.parents)
        for name in [as_text(as_mapping(mount.volume.get("configMap")).get("name"))]
        for store in [find_store(cluster, "ConfigMap", resource.namespace, name)]
        for text in (store.values.values() if store else ())
    )
