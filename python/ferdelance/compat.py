"""Run programs that import Numba on ferdelance.

    import ferdelance.compat
    ferdelance.compat.install()

    import numba  # is ferdelance
"""

import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec

_OURS, _THEIRS = __package__, "numba"


class _AliasLoader(Loader):
    """Gives an import of `numba.x` the module `ferdelance.x`."""

    def create_module(self, spec):
        module = importlib.import_module(_OURS + spec.name[len(_THEIRS) :])
        self._spec = module.__spec__
        return module

    def exec_module(self, module):
        # The import system has just put the alias's spec there; the module keeps its own.
        module.__spec__ = self._spec


class _AliasFinder(MetaPathFinder):
    """Finds `numba` and the modules below it."""

    def find_spec(self, name, path=None, target=None):
        if name != _THEIRS and not name.startswith(_THEIRS + "."):
            return None
        if importlib.util.find_spec(_OURS + name[len(_THEIRS) :]) is None:
            return None
        return ModuleSpec(name, _AliasLoader())


_finder = _AliasFinder()


def install():
    """Let `import numba`, and imports of its submodules, give ferdelance.

    Raises RuntimeError when Numba itself is imported already. Calling it again does nothing.
    """
    loaded = sys.modules.get(_THEIRS)
    if loaded is not None and loaded is not sys.modules[_OURS]:
        raise RuntimeError("numba is imported already; call ferdelance.compat.install() before the first import of it")
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
