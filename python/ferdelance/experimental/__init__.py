"""Classes in compiled code: `jitclass` and `structref`."""

from .._pending import pending
from . import structref

jitclass = pending(
    "jitclass", "pass the attributes to @njit functions as arguments, or in a named tuple"
)

__all__ = ["jitclass", "structref"]
