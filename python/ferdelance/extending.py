"""Extending the compiler. `is_jitted` and `as_numba_type` work; the rest is still to come."""

from ._as_type import as_numba_type  # noqa: F401
from ._dispatcher import DispatcherMethods
from ._pending import pending, pending_class


def is_jitted(function):
    """Whether `function` was made by `jit` or `njit`."""
    return isinstance(function, DispatcherMethods)


_FUNCTION = "write an @njit function and call that"
_TYPE = "pass the data as arrays, scalars or named tuples"

overload = pending("overload", _FUNCTION)
overload_method = pending("overload_method", _FUNCTION)
overload_attribute = pending("overload_attribute", _FUNCTION)
overload_classmethod = pending("overload_classmethod", _FUNCTION)
register_jitable = pending("register_jitable", _FUNCTION)
type_callable = pending("type_callable", _FUNCTION)
intrinsic = pending("intrinsic", _FUNCTION)
get_cython_function_address = pending(
    "get_cython_function_address", "call the function through ctypes"
)

typeof_impl = pending("typeof_impl", _TYPE)
make_attribute_wrapper = pending("make_attribute_wrapper", _TYPE)
register_model = pending("register_model", _TYPE)
box = pending("box", _TYPE)
unbox = pending("unbox", _TYPE)
reflect = pending("reflect", _TYPE)
lower_builtin = pending("lower_builtin", _TYPE)
lower_getattr = pending("lower_getattr", _TYPE)
lower_getattr_generic = pending("lower_getattr_generic", _TYPE)
lower_setattr = pending("lower_setattr", _TYPE)
lower_setattr_generic = pending("lower_setattr_generic", _TYPE)
lower_cast = pending("lower_cast", _TYPE)
lower_constant = pending("lower_constant", _TYPE)
infer = pending("infer", _TYPE)
infer_getattr = pending("infer_getattr", _TYPE)
NativeValue = pending_class("NativeValue", _TYPE)
