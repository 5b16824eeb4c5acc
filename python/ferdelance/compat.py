"""Run programs that import Numba on ferdelance.

    import ferdelance.compat
    ferdelance.compat.install()

    import numba  # is ferdelance

`numba` is a module of its own that shows ferdelance's contents under the version of Numba whose
interface this is; its submodules are ferdelance's.
"""

import importlib.util
import sys
import types
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec

import ferdelance

#: The version of Numba that programs see.
NUMBA_VERSION = "0.68.1"


class _Numba(types.ModuleType):
    """The module `numba`."""

    __version__ = NUMBA_VERSION
    __path__ = ferdelance.__path__
    __all__ = ferdelance.__all__

    def __getattr__(self, name):
        return getattr(ferdelance, name)

    def __dir__(self):
        return dir(ferdelance)


class _AliasLoader(Loader):
    """Gives an import of `numba.x` the module `ferdelance.x`."""

    def create_module(self, spec):
        if spec.name == "numba":
            return _Numba("numba", ferdelance.__doc__)
        module = importlib.import_module(_ours(spec.name))
        self._spec = module.__spec__
        return module

    def exec_module(self, module):
        # The import system has just put the alias's spec there; a module keeps its own.
        if not isinstance(module, _Numba):
            module.__spec__ = self._spec


class _AliasFinder(MetaPathFinder):
    """Finds `numba` and the modules below it."""

    def find_spec(self, name, path=None, target=None):
        if name == "numba":
            return ModuleSpec(name, _AliasLoader(), is_package=True)
        if name.startswith("numba.") and importlib.util.find_spec(_ours(name)) is not None:
            return ModuleSpec(name, _AliasLoader())
        return None


def _ours(name):
    return "ferdelance" + name.removeprefix("numba")


_finder = _AliasFinder()


def install():
    """Let `import numba`, and imports of its submodules, give ferdelance.

    Raises RuntimeError when Numba itself is imported already. Calling it again does nothing.
    """
    if not isinstance(sys.modules.get("numba"), (_Numba, type(None))):
        raise RuntimeError(
            "numba is imported already; call ferdelance.compat.install() before that"
        )
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
