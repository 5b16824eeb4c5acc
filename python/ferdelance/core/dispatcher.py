"""The classes of jitted functions."""

from .._dispatcher import DispatcherMethods as Dispatcher
from .._dispatcher import ObjModeDispatcher

__all__ = ["Dispatcher", "ObjModeDispatcher"]
