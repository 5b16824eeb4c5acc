"""Mutable structures that are passed by reference."""

from .._pending import pending, pending_class

_INSTEAD = "use a structured array of one item, or a named tuple"

register = pending("structref.register", _INSTEAD)
define_proxy = pending("structref.define_proxy", _INSTEAD)
define_boxing = pending("structref.define_boxing", _INSTEAD)
define_attributes = pending("structref.define_attributes", _INSTEAD)
define_constructor = pending("structref.define_constructor", _INSTEAD)
new = pending("structref.new", _INSTEAD)
structref_is = pending("structref.structref_is", _INSTEAD)
StructRefProxy = pending_class("StructRefProxy", _INSTEAD)
