"""`np.mgrid[...]` and the like: what is in the brackets comes as `key`."""

import math

import numpy as np


def _start(part):
    if not isinstance(part, slice):
        np._refuse("np.mgrid and np.ogrid take slices only")
    return 0 if part.start is None else part.start


def _step(part):
    return 1 if part.step is None else part.step


def _positions(part):
    """The numbers of a slice; an imaginary step says how many, the last of which is `stop`."""
    start, step = _start(part), _step(part)
    if isinstance(step, complex):
        count = int(abs(step))
        scale = (part.stop - start) / (count - 1) if count != 1 else 1.0
        return np.arange(count) * scale + start
    count = math.ceil((part.stop - start) / step)
    if count < 0:
        raise ValueError("negative dimensions are not allowed")
    return np.arange(count) * step + start


def _zeros(key):
    """A zero of the type that all numbers of the slices have in common."""
    if len(key) == 0:
        return 0
    part = key[0]
    return (_start(part) + part.stop + abs(_step(part)) + _zeros(key[1:])) * 0


def _rows(key, dtype):
    if len(key) == 0:
        return ()
    return (_positions(key[0]).astype(dtype),) + _rows(key[1:], dtype)


def _mesh_rows(key):
    return _rows(key, np.asarray(_zeros(key)).dtype)


def _line(part):
    start, step = _start(part), _step(part)
    if isinstance(step, complex):
        return _positions(part)
    return np.arange(start, part.stop, step)


def numpy_mgrid(key):
    """np.mgrid[key]"""
    if isinstance(key, tuple):
        return np.stack(np.meshgrid(*_mesh_rows(key), indexing="ij"))
    return _line(key)


def numpy_ogrid(key):
    """np.ogrid[key]"""
    if isinstance(key, tuple):
        return np.meshgrid(*_mesh_rows(key), sparse=True, indexing="ij")
    return _line(key)


def _each_line(items):
    """Arrays of what is to be joined; numbers stay."""
    if len(items) == 0:
        return ()
    item = items[0]
    if isinstance(item, str):
        np._refuse("np.r_ and np.c_ with a text cannot be compiled: call np.concatenate()")
    if isinstance(item, slice):
        if isinstance(item.step, complex):
            line = np.linspace(_start(item), item.stop, int(abs(item.step)))
        else:
            line = _line(item)
        return (line,) + _each_line(items[1:])
    if np.ndim(item) == 0:
        return (item,) + _each_line(items[1:])
    return (np.asarray(item),) + _each_line(items[1:])


def _nothing(items):
    """No elements, of the type that the arrays among the items have in common."""
    if len(items) == 0:
        return ()
    if isinstance(items[0], np.ndarray):
        return (items[0].ravel()[:0],) + _nothing(items[1:])
    return _nothing(items[1:])


def _all_arrays(items, like):
    """Numbers as arrays of one element: beside arrays, of the type that they have together."""
    if len(items) == 0:
        return ()
    if isinstance(items[0], np.ndarray):
        return (np.atleast_1d(items[0]),) + _all_arrays(items[1:], like)
    if len(like) == 0:
        return (np.atleast_1d(items[0]),) + _all_arrays(items[1:], like)
    zero = np.zeros(1, np.concatenate(like).dtype)
    return (zero + items[0],) + _all_arrays(items[1:], like)


def _pieces(key):
    items = _each_line(key if isinstance(key, tuple) else (key,))
    return _all_arrays(items, _nothing(items))


def numpy_r_(key):
    """np.r_[key]"""
    return np.concatenate(_pieces(key))


def _columns(pieces):
    if len(pieces) == 0:
        return ()
    piece = pieces[0]
    column = piece.reshape(-1, 1) if piece.ndim < 2 else piece
    return (column,) + _columns(pieces[1:])


def numpy_c_(key):
    """np.c_[key]"""
    return np.concatenate(_columns(_pieces(key)), -1)


def numpy_s_(key):
    """np.s_[key]"""
    return key


def numpy_index_exp(key):
    """np.index_exp[key]"""
    return key if isinstance(key, tuple) else (key,)
