"""PostgreSQL's versions that a test runs on: 18, which pip brings, and the cluster's 15."""

from __future__ import annotations

import pytest

BOTH = pytest.mark.parametrize(
    "postgres_version", [pytest.param(15, marks=pytest.mark.thorough), 18], indirect=True
)
