"""Names of images that no container runtime can read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kube.images import is_built_later, is_official, repository, tag
from treecheck.model import Problem, Severity, as_text
from treecheck.registry import rule
from treecheck.typed import of_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

_HOST = (
    r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)*"
)
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:{_HOST}(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?\Z"
)

_ECR = re.compile(
    r"\d{12}\.dkr[.-]ecr(-fips)?\.[a-z]{2,3}(-[a-z]+)+-\d\.(amazonaws\.com(\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn|[a-z0-9.]+)\Z"
)


# The numbers of a version.
_NUMBERS = re.compile(r"\d+")
# Words that stand for what a person has, in a file that nothing applies.
_TO_FILL = re.compile(r"\$[A-Z]|\{\{ *\.?[A-Za-z]|\b[A-Z]{2,}_[A-Z_]*[A-Z]\b|^[A-Z]+-docker\.")


@rule(
    "image-name-invalid",
    source="https://github.com/distribution/reference: the grammar of a reference to an image.",
)
def image_name_invalid(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An image whose name can't be one.

    The API server takes any text; the kubelet then reports InvalidImageName and the container never
    starts. A name is in lower case, a tag has at most 128 letters, digits, `-`, `_` and `.`.

    `ko://…` is the path of a Go program, which `ko apply` builds and writes the image's name for.
    The annotation image.openshift.io/triggers lets OpenShift fill in an image that is left blank.
    """
    triggers = as_text(resource.annotations.get("image.openshift.io/triggers"))
    for path, container in of_type(resource, cluster, "core.v1.Container"):
        image = as_text(container.get("image"))
        if not image.strip() and as_text(container.get("name")) in triggers:
            continue  # OpenShift writes the image of an ImageStreamTag there
        if resource.part.to_copy and _TO_FILL.search(image):
            continue  # a person writes their own there: PROJECT_ID, $IMAGE
        if image and not is_built_later(image) and not _REFERENCE.match(image):
            yield Problem(
                f"{image[:200]!r} is not a name of an image: the container will never start",
                fix="Write one such as registry.example.com/team/app:1.4.2, in lower case.",
                path=(*path, "image"),
                cause=image,
            )


@rule(
    "image-registry-malformed",
    source="https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html",
    unless=("image-name-invalid",),
)
def image_registry_malformed(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An image from a registry of AWS whose address can't be one.

    It is ACCOUNT.dkr.ecr.REGION.amazonaws.com: twelve digits, and a region such as us-east-1. With
    another one no node finds the registry: ImagePullBackOff.
    """
    for path, container in of_type(resource, cluster, "core.v1.Container"):
        host = as_text(container.get("image")).partition("/")[0]
        if re.search(r"\.dkr[.-]ecr\b", host) and not _ECR.match(host):
            yield Problem(
                f"{host} is not a registry of AWS: the image can't be pulled",
                fix="Write ACCOUNT.dkr.ecr.REGION.amazonaws.com, with an account of twelve digits "
                "and a region such as us-east-1.",
                path=(*path, "image"),
                cause=host,
            )


@rule(
    "image-versions-differ",
    source="https://kubernetes.io/docs/concepts/workloads/pods/init-containers/",
    severity=Severity.WARNING,
    unless=("image-name-invalid",),
)
def image_versions_differ(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod whose init container has another version of the image that its container runs.

    Whoever sets a new version writes it in one of the two places: the migration of one release
    then goes before the program of another. Tags of two forms (`1.4.2` and `1.4.2-tools`), official
    images and tools that many pods use for a step of their own are left alone.
    """
    if resource.pod is None:
        return
    mains = [as_text(one.get("image")) for _, one in resource.pod.containers("containers")]
    for path, container in resource.pod.containers("initContainers"):
        image = as_text(container.get("image"))
        for main in mains:
            if _is_another_version(image, main):
                yield Problem(
                    f"init container {container.get('name')} has {tag(image)} of "
                    f"{repository(image)}, and the pod runs {tag(main)}",
                    fix="Give both the same tag: `images` of a kustomization sets it once.",
                    path=(*path, "image"),
                )


def _is_another_version(image: str, other: str) -> bool:
    """Whether two images are versions of one, by tags of one form, and no official image's."""
    name, tags = repository(image), (tag(image), tag(other))
    same = name == repository(other) and "/" in name and not is_official(image)
    forms = {_NUMBERS.sub("0", each) for each in tags}
    return same and "@" not in image + other and tags[0] != tags[1] and len(forms) == 1
