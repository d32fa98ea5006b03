"""The rules that this repository adds to the checker's: importing this registers them."""

import ci.platform.capacity.rules
import ci.tree.backup_rules
import ci.tree.outside_rules
import ci.tree.reach_rules
import ci.tree.service_rules  # noqa: F401
