"""The image's Dockerfile and settings, where no engine is needed to read them."""

from __future__ import annotations

import re

import yaml

from tests.postgres.claim import PROGRAMS, ROOT, SETTINGS

DOCKERFILE = ROOT / "apps" / "postgres" / "Dockerfile"


def test_the_image_is_built_on_the_postgresql_that_the_base_deploys():
    (base,) = re.findall(r"^ARG BASE_IMAGE=(\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    kustomization = yaml.safe_load((ROOT / "base/postgres/upstream/kustomization.yaml").read_text())
    (image,) = kustomization["images"]
    assert base.partition("@")[0] == f"public.ecr.aws/docker/library/postgres:{image['newTag']}"


def test_the_programs_can_be_run_and_the_parts_that_they_share_are_only_read():
    runnable = {path.name for path in PROGRAMS.iterdir() if path.stat().st_mode & 0o111}
    read = {path.name for path in PROGRAMS.glob("*.sh")}
    assert runnable == {path.name for path in PROGRAMS.iterdir()} - read


def test_a_commit_is_archived_within_45_seconds():
    (seconds,) = re.findall(
        r"^archive_timeout = (\d+)$", (SETTINGS / "archiving.conf").read_text(), re.MULTILINE
    )
    assert 0 < int(seconds) <= 45


def test_the_settings_hold_no_key_and_encrypt():
    text = (SETTINGS / "pgbackrest.conf").read_text()
    assert "repo1-cipher-type=aes-256-cbc" in text
    assert not re.search(r"^repo1-(s3-key|s3-key-secret|cipher-pass)=", text, re.MULTILINE)
    assert "repo1-s3-key-type=web-id" in text
