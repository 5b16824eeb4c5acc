"""Signatures and the types of values."""

from . import asnumbatype, cffi_utils, templates
from .templates import Signature, signature
from .typeof import typeof

__all__ = ["Signature", "asnumbatype", "cffi_utils", "signature", "templates", "typeof"]
