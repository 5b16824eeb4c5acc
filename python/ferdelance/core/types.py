"""`ferdelance.types` under its second name."""

import sys

from .. import types

sys.modules[__name__] = types
