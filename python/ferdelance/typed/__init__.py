"""Containers that compiled and interpreted code share."""

from .._pending import pending_class

_INSTEAD = "use an array, or build the container inside of the @njit function"

List = pending_class("List", _INSTEAD, ["empty_list"])
Dict = pending_class("Dict", _INSTEAD, ["empty"])
Set = pending_class("Set", _INSTEAD, ["empty"])
