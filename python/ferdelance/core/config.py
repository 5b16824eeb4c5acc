"""`ferdelance.config` under its second name."""

import sys

from .. import config

sys.modules[__name__] = config
