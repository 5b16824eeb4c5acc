"""The decorators."""

from .._cfunc import cfunc
from .._jit import jit, jit_module, njit
from .._pending import stencil

__all__ = ["cfunc", "jit", "jit_module", "njit", "stencil"]
