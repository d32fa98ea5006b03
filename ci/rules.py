"""The rules that this repository adds to the checker's: importing this registers them."""

import ci.capacity.rules
import ci.reach_rules  # noqa: F401
