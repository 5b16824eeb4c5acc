"""Signatures."""

from ...types._signature import Signature, signature

__all__ = ["Signature", "signature"]
