"""From the types of annotations to those of compiled code."""

from ..._as_type import as_numba_type

__all__ = ["as_numba_type"]
