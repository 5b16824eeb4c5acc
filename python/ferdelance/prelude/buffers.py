"""Bytes and other objects that show memory, and texts of a fixed size.

`np._memory(b)` is the array that a buffer is, `np._buffer(a, like)` an array as a buffer of the
class of another, or of the class of that name.
Comparisons of buffers are those of lists (`lists.py`).
"""

import numpy as np


def buffer_add(a, b):
    """a + b"""
    return np._buffer(np.concatenate((np._memory(a), np._memory(b))), a)


def buffer_mul(a, n):
    """a * n"""
    return np._buffer(np.tile(np._memory(a), max(n, 0)), a)


def buffer_contains(part, whole):
    """part in whole"""
    count = len(part)
    for start in range(len(whole) - count + 1):
        at = 0
        while at < count and whole[start + at] == part[at]:
            at += 1
        if at == count:
            return True
    return False


def buffer_lacks(part, whole):
    """part not in whole"""
    return not buffer_contains(part, whole)


def buffer_tolist(buffer):
    """buffer.tolist()"""
    return np._memory(buffer).tolist()


def buffer_tobytes(buffer):
    """buffer.tobytes()"""
    return np._memory(buffer).tobytes()


def buffer_hex(buffer):
    """buffer.hex()"""
    digits = "0123456789abcdef"
    text = ""
    for byte in np._memory(buffer).flatten().view(np.uint8):
        text += digits[byte >> 4] + digits[byte & 15]
    return text


def builtins_bytes(source=b""):
    """bytes(source)"""
    if isinstance(source, bytes):
        return source
    return np._buffer(_bytes_of(source), "bytes")


def builtins_bytearray(source=b""):
    """bytearray(source)"""
    return np._buffer(_bytes_of(source), "bytearray")


def builtins_memoryview(source):
    """memoryview(source)"""
    return np._buffer(np._memory(source), "memoryview")


def _bytes_of(source):
    """A new array of the bytes of a buffer or of an iterable, or of so many zeros."""
    if isinstance(source, int):
        if source < 0:
            raise ValueError("negative count")
        return np.zeros(source, np.uint8)
    if isinstance(source, (np.ndarray, bytes, bytearray, memoryview)):
        return np._memory(source).flatten().view(np.uint8)
    values = [value for value in source]
    result = np.empty(len(values), np.uint8)
    for i in range(len(values)):
        if values[i] < 0 or values[i] > 255:
            raise ValueError("bytes must be in range(0, 256)")
        result[i] = values[i]
    return result


def numpy_frombuffer(buffer, dtype: "literal" = "f8", count=-1, offset=0):
    """np.frombuffer(buffer, dtype=float, count=-1, offset=0)"""
    size = np.dtype(dtype).itemsize
    content = np._memory(buffer).reshape(-1).view(np.uint8)
    if offset < 0 or offset > content.size:
        raise ValueError("offset must be non-negative and no greater than buffer length")
    if count < 0:
        if (content.size - offset) % size != 0:
            raise ValueError("buffer size must be a multiple of element size")
        return content[offset:].view(dtype)
    if count * size > content.size - offset:
        raise ValueError("buffer is smaller than requested size")
    return content[offset : offset + count * size].view(dtype)


def texts_eq(a, b):
    """a == b of arrays of texts"""
    return _texts(a, b, "eq")


def texts_ne(a, b):
    """a != b"""
    return _texts(a, b, "ne")


def texts_lt(a, b):
    """a < b"""
    return _texts(a, b, "lt")


def texts_le(a, b):
    """a <= b"""
    return _texts(a, b, "le")


def texts_gt(a, b):
    """a > b"""
    return _texts(b, a, "lt")


def texts_ge(a, b):
    """a >= b"""
    return _texts(b, a, "le")


def _texts(a, b, op: "literal"):
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        x, y = np.broadcast_arrays(a, b)
        result = np.empty(x.shape, np.bool_)
        for i in range(result.size):
            result.flat[i] = _holds(x.flat[i], y.flat[i], op)
    elif isinstance(a, np.ndarray):
        result = np.empty(a.shape, np.bool_)
        for i in range(result.size):
            result.flat[i] = _holds(a.flat[i], b, op)
    else:
        result = np.empty(b.shape, np.bool_)
        for i in range(result.size):
            result.flat[i] = _holds(a, b.flat[i], op)
    return result


def _holds(x, y, op: "literal"):
    if op == "eq":
        return x == y
    if op == "ne":
        return x != y
    if op == "lt":
        return x < y
    return x <= y


def numpy_equal(x1, x2):
    """np.equal(x1, x2) of arrays of texts or records"""
    return x1 == x2


def numpy_not_equal(x1, x2):
    """np.not_equal(x1, x2)"""
    return x1 != x2


def numpy_where(condition, x, y):
    """np.where(condition, x, y) of arrays of texts or records"""
    c, a, b = np.broadcast_arrays(condition, x, y)
    if a.itemsize < b.itemsize:
        result = np.empty(c.shape, b.dtype)
    else:
        result = np.empty(c.shape, a.dtype)
    for i in range(result.size):
        if c.flat[i]:
            result.flat[i] = a.flat[i]
        else:
            result.flat[i] = b.flat[i]
    return result
