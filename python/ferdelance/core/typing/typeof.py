"""The types of values."""

from ..._typeof import typeof

__all__ = ["typeof"]
