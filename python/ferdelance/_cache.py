"""Where the code of `cache=True` is kept: which folders, under which names.

Beside the source, in `__pycache__` (or where `sys.pycache_prefix` says), if that can be written to,
otherwise in the user's cache folder; both are read. With the setting `CACHE_DIR`, there and nowhere
else. Functions that are in no file of their own (notebooks, `exec`) go to a folder `code`: they are
told by their code alone.
"""

import os
import sys

from . import config

#: Longest start of a file's name: the qualified name of a function has no limit.
_LONGEST = 80


def locate(function):
    """(folders, start of the files' names, path of the source or None, bytes per folder)."""
    limit = max(config.CACHE_SIZE, 0) << 20
    name = function.__qualname__
    filename = function.__code__.co_filename
    path = None if filename.startswith("<") else os.path.abspath(filename)
    if path is None or not os.path.isfile(path):
        archive = path and _archive(path)
        # Without one it is no file at all, or a notebook's cell, whose name differs each time.
        return _elsewhere(_distinct(archive) if archive else "code"), _stem(name), None, limit
    folder, file = os.path.split(path)
    folders = _elsewhere(_distinct(folder))
    if not config.CACHE_DIR:
        folders.insert(0, _beside(folder))
    return folders, _stem(f"{os.path.splitext(file)[0]}.{name}"), path, limit


def path(function):
    """The folder that new files go to, or None where there is none."""
    folders = locate(function)[0]
    for folder in folders:
        if _is_writable(folder):
            return folder
    return folders[0] if folders else None


def warn(function, why):
    """Say that the code of a function is not kept."""
    import warnings

    from .errors import NumbaWarning

    code = function.__code__
    warnings.warn_explicit(
        f"cannot cache {function.__qualname__}: {why}",
        NumbaWarning,
        code.co_filename,
        code.co_firstlineno,
    )


def _beside(folder):
    """Where Python keeps the bytecode of files in a folder."""
    prefix = sys.pycache_prefix
    if prefix is None:
        return os.path.join(folder, "__pycache__")
    return os.path.join(prefix, os.path.splitdrive(folder)[1].lstrip(os.sep))


def _elsewhere(folder):
    """A folder in `CACHE_DIR` or in the user's cache folder, as a list that may be empty."""
    root = config.CACHE_DIR or _of_user()
    return [] if root is None else [os.path.join(root, folder)]


def _of_user():
    root = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(root):
        root = os.path.expanduser(os.path.join("~", ".cache"))
        if root.startswith("~"):  # there is no home
            return None
    return os.path.join(root, "ferdelance")


def _distinct(path):
    """A name for a path. If two paths share one, their files are told apart by contents."""
    base = _letters(os.path.basename(path)) or "root"
    # Modules with checksums would have to be loaded first.
    number = int.from_bytes(os.fsencode(path), "little") % ((1 << 61) - 1)
    return f"{base[-40:]}_{number:016x}"


def _archive(path):
    """The archive that a path leads into, or None."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path if os.path.isfile(path) else None


def _stem(name):
    return _letters(name)[-_LONGEST:]


def _letters(text):
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in text)


def _is_writable(folder):
    """Whether files can be made in a folder, which need not exist yet."""
    while not os.path.exists(folder):
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)
