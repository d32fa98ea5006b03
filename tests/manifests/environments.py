"""The environments of this tree, by what is promised of each."""

from __future__ import annotations

from ci.platform.environments.shared import keeps_data
from ci.tree.overlays import ROOT, environments

ALL = tuple(environments())
# An environment is made like another one, and says in `declare.validate/data` which kind it is.
LIKE_PROD = tuple(name for name in ALL if keeps_data(name, ROOT))
LIKE_DEV = tuple(name for name in ALL if name not in LIKE_PROD)
