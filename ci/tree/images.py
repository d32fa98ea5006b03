"""The images that the pipeline builds: where each comes from, and where its tag is written.

What the builds, the write-back and a promotion assume of an image is here and nowhere else.
"""

from __future__ import annotations

from typing import NamedTuple

from ci.tree.overlays import SERVICE, SERVICE_SOURCE


class SourceImage(NamedTuple):
    """An image of ours.

    Attributes:
        name: its entry under `images:` in an overlay, and in the subject of a deploying commit.
        part: the part of an environment that runs it: `coworking`, `postgres`.
        source: the folder that a build is made of: the FILE_PATH filter of its build project.
        suffix: what its ECR repository and its build project have after the service's own name.
        tests: the tests of the image itself.
        tested: the environment variable that names the image to them.
        kind: what makes its pods: `Deployment`, `StatefulSet`.
        workload: that one's name, and the name of the container that runs the image.
        optional: whether an environment may run upstream's image instead: then its overlay lacks
            the component that has the tag.
    """

    name: str
    part: str
    source: str
    suffix: str
    tests: str
    tested: str
    kind: str
    workload: str
    optional: bool

    def named_after(self, service: str) -> str:
        """What its repository or build project is called, or its address, from the service's."""
        return f"{service}{self.suffix}"

    def overlay_folder(self, environment: str) -> str:
        """The folder whose kustomization.yaml has the environment's tag of this image."""
        return f"overlays/{environment}/{self.part}/image"


SERVICE_IMAGE = SourceImage(
    SERVICE,
    SERVICE,
    SERVICE_SOURCE,
    "",
    "tests/docker",
    "COWORKING_IMAGE",
    "Deployment",
    SERVICE,
    optional=False,
)
DATABASE_IMAGE = SourceImage(
    "postgres",
    "postgres",
    "apps/postgres",
    "-postgres",
    "tests/postgres_image",
    "COWORKING_POSTGRES_IMAGE",
    "StatefulSet",
    "postgresql",
    optional=True,
)
IMAGES: dict[str, SourceImage] = {image.name: image for image in (SERVICE_IMAGE, DATABASE_IMAGE)}
