"""The decorators."""

from .._jit import jit, jit_module, njit
from .._pending import cfunc, stencil

__all__ = ["cfunc", "jit", "jit_module", "njit", "stencil"]
