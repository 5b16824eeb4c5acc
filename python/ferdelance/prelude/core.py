"""Builtins and array methods that are compositions of simpler ones.

A function here is what the builtin of its name compiles to (see the prelude module of the compiler).
All of it also runs under CPython.
"""


def builtins_sum(values, *start):
    """sum(values[, start]): items from the left, as CPython adds them up."""
    if len(start) == 0:
        total = 0
    else:
        total = start[0]
    for value in values:
        total = total + value
    return total


def builtins_any(values):
    """any(values)"""
    for value in values:
        if value:
            return True
    return False


def builtins_all(values):
    """all(values)"""
    for value in values:
        if not value:
            return False
    return True


def builtins_round(number, ndigits):
    """round(number, ndigits) of an integer, half to even"""
    if ndigits >= 0:
        return number
    if ndigits < -18:
        return number * 0
    unit = 10**-ndigits
    quotient, rest = divmod(number, unit)
    if rest > unit - rest or (rest == unit - rest and quotient % 2 == 1):
        quotient += 1
    return quotient * unit


def array_fill(array, value):
    """array.fill(value)"""
    if array.ndim == 1:
        for i in range(array.shape[0]):
            array[i] = value
    else:
        for row in array:
            array_fill(row, value)


def array_sum(array):
    """array.sum() over all elements, row by row."""
    total = array.dtype.type(0) + 0
    if array.ndim == 1:
        for i in range(array.shape[0]):
            total = total + array[i]
    else:
        for row in array:
            total = total + array_sum(row)
    return total


def array_min(array):
    """array.min() over all elements; NaN if there is one."""
    if array.size == 0:
        raise ValueError("zero-size array to reduction operation minimum which has no identity")
    if array.ndim == 1:
        best = array[0]
        for i in range(1, array.shape[0]):
            value = array[i]
            if value < best or value != value:
                best = value
    else:
        best = array_min(array[0])
        for row in array:
            value = array_min(row)
            if value < best or value != value:
                best = value
    return best


def array_max(array):
    """array.max() over all elements; NaN if there is one."""
    if array.size == 0:
        raise ValueError("zero-size array to reduction operation maximum which has no identity")
    if array.ndim == 1:
        best = array[0]
        for i in range(1, array.shape[0]):
            value = array[i]
            if value > best or value != value:
                best = value
    else:
        best = array_max(array[0])
        for row in array:
            value = array_max(row)
            if value > best or value != value:
                best = value
    return best


def array_argmin(array):
    """array.argmin() of a one-dimensional array: the first position of the smallest; NaN first."""
    if array.size == 0:
        raise ValueError("attempt to get argmin of an empty sequence")
    at = 0
    for i in range(1, array.shape[0]):
        if array[i] < array[at] or (array[i] != array[i] and array[at] == array[at]):
            at = i
    return at


def array_argmax(array):
    """array.argmax() of a one-dimensional array: the first position of the largest; NaN first."""
    if array.size == 0:
        raise ValueError("attempt to get argmax of an empty sequence")
    at = 0
    for i in range(1, array.shape[0]):
        if array[i] > array[at] or (array[i] != array[i] and array[at] == array[at]):
            at = i
    return at


def array_mean(array):
    """array.mean() over all elements."""
    return array.sum() / array.size


def numpy_sum(array):
    """np.sum(array)"""
    return array.sum()
