"""The JSON format: `{"findings": [{"rule", "severity", "message", …}]}`, as the docs list it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treecheck.engine import Report


def as_json(report: Report) -> str:
    """The findings as one JSON document; its keys are documented and stable."""
    body = {"findings": [finding.as_dict() for finding in report.findings]}
    return json.dumps(body, indent=2, ensure_ascii=False)
