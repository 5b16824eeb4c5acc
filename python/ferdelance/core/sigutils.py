"""Signatures as users write them."""

from .._sigutils import is_signature, normalize_signature

__all__ = ["is_signature", "normalize_signature"]
