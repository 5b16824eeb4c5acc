"""The compiler, in Rust (`crates/python`).

Types are encoded as nested tuples, see `types/_encoding.py`.
"""

from collections.abc import Callable
from typing import Any, final

_Encoding = tuple[Any, ...]

#: The names of the rewrites of array operations.
REWRITES: list[str]

def typeof(obj: object, /) -> _Encoding:
    """The encoding of the type that calls give `obj`. Raises ValueError where it has none."""

def _install_audit_hook() -> None:
    """Keep the recent texts that `exec`, `eval` and `compile` of strings see."""

def _recent_sources(filename: str, /) -> list[str]:
    """Those that were compiled under this name, most recent first."""

def runtime_stats() -> dict[str, int]: ...
def set_error_factory(factory: Callable[[str, str, str], BaseException], /) -> None:
    """`factory(class name, message, diagnostic code)` makes the compile errors."""

def _make_dispatcher_type(base: type, /) -> type[Dispatcher]:
    """The class of dispatchers, derived from `base`; to be called once."""

@final
class Dispatcher:
    def __new__(cls, py_func: Callable[..., Any], options: dict[str, Any], /) -> Dispatcher:
        """`options` is what `_options.normalise` gives: all options, validated."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __get__(self, obj: object, owner: type | None = None, /) -> Any: ...
    def _compile(self, args: tuple[_Encoding, ...], ret: _Encoding | None, /) -> int:
        """Compile for these parameter types; the index of the version."""

    def _overloads(self) -> list[tuple[tuple[_Encoding, ...], _Encoding, bool]]:
        """(argument types, return type, whether the cache had it) of the versions, by index."""

    def _inspect(self, index: int, what: str, /) -> str:
        """`what`: types, llvm, asm, cfg, hir, tir, explain; metadata, which is a JSON object."""

    def _set_can_compile(self, flag: bool, /) -> None:
        """Whether calls may compile; `_compile` may always."""

    def _clear(self) -> None:
        """Forget all versions."""
