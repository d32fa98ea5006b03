"""ECR as promotions ask it: moto, which has what a scenario puts there."""

from __future__ import annotations

import requests

from tests.ci.local.codebuild import stand_ins

MANIFEST = '{"mediaType": "application/vnd.oci.image.manifest.v1+json", "schemaVersion": 2}'


def put(address: str, tag: str, digest: str) -> None:
    """Let ECR have the tag with this digest, scanned, in place of what it had."""
    ecr = stand_ins.client("ecr", address)
    image = {"imageTag": tag}
    ecr.batch_delete_image(repositoryName=stand_ins.REPOSITORY, imageIds=[image])
    ecr.put_image(
        repositoryName=stand_ins.REPOSITORY,
        imageManifest=MANIFEST,
        imageTag=tag,
        imageDigest=digest,
    )
    ecr.start_image_scan(repositoryName=stand_ins.REPOSITORY, imageId=image)
    result = {
        "imageScanFindings": {"findingSeverityCounts": {"MEDIUM": 2}},
        "repositoryName": stand_ins.REPOSITORY,
        "imageId": image,
        "imageScanStatus": {"status": "COMPLETE"},
    }
    requests.post(
        f"{address}/moto-api/static/ecr/scan-finding-results",
        json={"results": [result], "region": "us-east-1"},
        timeout=5,
    ).raise_for_status()
