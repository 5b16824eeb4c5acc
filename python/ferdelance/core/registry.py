"""The classes of jitted functions, by target."""

from .._dispatcher import DispatcherMethods as CPUDispatcher

__all__ = ["CPUDispatcher"]
