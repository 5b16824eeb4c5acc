"""Signatures and the types of values."""

from ..._typeof import typeof
from ...types._signature import Signature, signature

__all__ = ["Signature", "signature", "typeof"]
