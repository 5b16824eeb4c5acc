"""Functions of CFFI modules in compiled code."""

from ..._pending import pending

_INSTEAD = "call the function through ctypes"

register_module = pending("cffi_utils.register_module", _INSTEAD)
register_type = pending("cffi_utils.register_type", _INSTEAD)
