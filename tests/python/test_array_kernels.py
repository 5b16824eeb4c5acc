"""The array programs of the benchmark give what NumPy gives, as arrays and as loops."""

import array_worker
import ferdelance as fd
import pytest
from array_kernels import KERNELS
from array_loops import LOOPS


def check(name, function, **options):
    arguments = array_worker.arguments_of(name, "s")
    result = fd.njit(**options)(function)(*arguments)
    found = array_worker.outputs(arguments, result)
    assert array_worker.difference(name, "s", found) is None


@pytest.mark.parametrize("name", KERNELS)
def test_array_program_gives_what_numpy_gives(name):
    check(name, KERNELS[name].function)


@pytest.mark.parametrize("name", LOOPS)
def test_loops_give_what_the_array_program_gives(name):
    check(name, LOOPS[name].function, **LOOPS[name].options)


def test_each_array_program_has_its_loops():
    assert list(LOOPS) == list(KERNELS)
