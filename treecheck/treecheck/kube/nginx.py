"""What a mounted configuration of nginx says of the files that nginx writes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kube.mounts import text_files

if TYPE_CHECKING:
    from treecheck.cluster import Cluster
    from treecheck.model import Manifest, Resource

SETTINGS = "/etc/nginx"
_TEMPORARY = re.compile(r"^\s*(?:proxy|client_body)_temp_path\s", re.MULTILINE)


def writes_elsewhere(resource: Resource, cluster: Cluster, container: Manifest) -> bool:
    """Whether a mounted configuration names the folders of nginx's temporary files itself.

    Source: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_temp_path
    """
    return resource.pod is not None and any(
        _TEMPORARY.search(file.text) is not None
        for file in text_files(resource.pod, cluster)
        if file.container is container and file.place.is_relative_to(SETTINGS)
    )
