"""The names under which programs written for Numba look for its inner parts.

Each leads to the public one: the modules here are other modules under a second name, so that
their contents exist once.
"""


def __getattr__(name):
    import importlib

    module = f"{__name__}.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as e:
        if e.name != module:
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
