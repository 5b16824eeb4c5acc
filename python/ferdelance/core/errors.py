"""`ferdelance.errors` under its second name."""

import sys

from .. import errors

sys.modules[__name__] = errors
