"""`ferdelance.extending` under its second name."""

import sys

from .. import extending

sys.modules[__name__] = extending
