"""Containers that compiled and interpreted code share."""

from .._pending import pending_class
from ._dict import Dict

__all__ = ["Dict", "List", "Set"]

_INSTEAD = "use an array, or build the container inside of the @njit function"

List = pending_class("List", _INSTEAD, ["empty_list"])
Set = pending_class("Set", _INSTEAD, ["empty"])
