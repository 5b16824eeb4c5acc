"""What objects of libraries are, in words: for the signatures of the data profiler.

A reader gets an object of exactly its class, in a running program, before the function that it was
passed to begins. It may run code of its library only that changes nothing and calls nothing of the
user's; nobody else's objects are looked at.
"""


def _rows(numbers):
    numbers = tuple(numbers)
    return f"({', '.join(map(str, numbers))}{',' * (len(numbers) == 1)})"


def _frame(frame):
    rows, columns = (len(axis) for axis in (frame._mgr.axes[1], frame._mgr.axes[0]))
    return f"DataFrame(shape=({rows}, {columns}))"


def _series(series):
    return f"Series(dtype={series._mgr.dtype}, shape=({len(series._mgr.axes[0])},))"


def _index(index):
    return f"{type(index).__name__}(dtype={index.dtype}, len={len(index)})"


def _data_array(array):
    variable = array._variable
    dims = ", ".join(f"{d}: {n}" for d, n in zip(variable._dims, variable._data.shape, strict=True))
    return f"DataArray(dtype={variable._data.dtype}, dims=({dims}))"


def _dataset(dataset):
    dims = ", ".join(f"{name}: {size}" for name, size in dataset._dims.items())
    return f"Dataset(dims=({dims}), variables={len(dataset._variables)})"


def _tensor(tensor):
    import torch

    # A mode is the user's code, which the attributes of tensors would run.
    if torch._C._len_torch_function_stack():
        return type(tensor).__name__
    dtype = str(tensor.dtype).removeprefix("torch.")
    device = "" if tensor.device.type == "cpu" else f", device={tensor.device}"
    return f"{type(tensor).__name__}(dtype={dtype}, shape={_rows(tensor.shape)}{device})"


def _dask_array(array):
    shape = _rows("?" if size != size else size for size in map(sum, array._chunks))
    blocks = _rows(map(len, array._chunks))
    return f"dask.Array(dtype={array._meta.dtype}, shape={shape}, blocks={blocks})"


#: By module and name of the class.
READERS = {
    ("pandas.core.frame", "DataFrame"): _frame,
    ("pandas.core.series", "Series"): _series,
    ("pandas.core.indexes.base", "Index"): _index,
    ("pandas.core.indexes.range", "RangeIndex"): _index,
    ("pandas.core.indexes.datetimes", "DatetimeIndex"): _index,
    ("xarray.core.dataarray", "DataArray"): _data_array,
    ("xarray.core.dataset", "Dataset"): _dataset,
    ("torch", "Tensor"): _tensor,
    ("torch.nn.parameter", "Parameter"): _tensor,
    ("dask.array.core", "Array"): _dask_array,
}
