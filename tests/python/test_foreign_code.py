"""Code that others compile while a program runs is seen by its name."""

import struct

import pytest
from recording import cpu, record, totals
from test_record import build, needs_compiler

#: A loop of as many rounds as its argument says, in machine code, where it may be executed.
CODE = """
import ctypes, mmap, os

code = bytes.fromhex("48ffcf" "75fb" "c3")  # again: dec rdi; jnz again; ret
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
memory.write(code)
at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
run = ctypes.CFUNCTYPE(None, ctypes.c_uint64)(at)
"""


def test_the_map_for_perf_is_read(tmp_path):
    program = f"""{CODE}
path = f"/tmp/perf-{{os.getpid()}}.map"
with open(path, "w") as file:
    file.write(f"{{at:x}} {{len(code):x}} of_a_map\\n")
def caller(): run(600_000_000)
caller()
print(path)
"""
    recording, done = record(tmp_path, program)
    assert done.returncode == 0, done.stderr
    path = done.stdout.strip()
    found = totals(recording, kind="native")
    assert found["of_a_map"] > 0.6 * cpu(recording)
    assert totals(recording, kind="python")["caller"] >= found["of_a_map"]
    import os

    os.unlink(path)


def image(at, size, name):
    """An ELF object as JITs register it for debuggers, with one function at an address."""
    sections = ["", ".text", ".symtab", ".strtab"]
    names = b"\0".join(s.encode() for s in sections) + b"\0"
    texts = b"\0" + name.encode() + b"\0"
    symbols = bytes(24) + struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0, size)
    # What follows the header: symbols, their names, the names of sections.
    start = 64
    where = [(start, len(symbols)), (start + len(symbols), len(texts))]
    names_at = start + len(symbols) + len(texts)
    table_at = names_at + len(names)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, table_at, 0, 64, 0, 0, 64, 5, 4)

    def section(name, kind, flags, address, offset, size, link=0, info=0, entry=0):
        return struct.pack(
            "<IIQQQQIIQQ", name, kind, flags, address, offset, size, link, info, 8, entry
        )

    table = (
        bytes(64)
        + section(1, 8, 6, at, start, size)
        + section(7, 2, 0, 0, *where[0], link=3, info=1, entry=24)
        + section(15, 3, 0, 0, *where[1])
        + section(15, 3, 0, 0, names_at, len(names))
    )
    return header + symbols + texts + names + table


@needs_compiler
@pytest.mark.parametrize("how", ["before", "later"])
def test_what_is_registered_for_debuggers_is_read(tmp_path, how):
    """As LLVM does it, and with it Numba, whose names of functions are mangled."""
    library = build(
        tmp_path,
        """
        struct entry { struct entry *next, *before; const char *image; unsigned long size; };
        static struct { unsigned version, action; struct entry *relevant, *first; }
            __jit_debug_descriptor __attribute__((used)) = {1, 0, 0, 0};
        static struct entry entries[8];
        static int count;
        void add(const char *image, unsigned long size) {
            struct entry *e = &entries[count++];
            e->next = __jit_debug_descriptor.first; e->image = image; e->size = size;
            __jit_debug_descriptor.first = e;
        }
        """,
        "-shared",
        "-fPIC",
        name="libLLVM-test.so",
    )
    name = "_ZN8__main__5outer12_3clocals_3e5innerB2v1B3abcEd"
    program = f"""{CODE}
import struct
{source_of(image)}
library = ctypes.CDLL({str(library)!r})
objects = [image(1 << 40, 8, "elsewhere"), image(at, len(code), {name!r})]
library.add(objects[0], ctypes.c_ulong(len(objects[0])))
def caller(n): run(n)
if {how!r} == "later":
    caller(200_000_000)
library.add(objects[1], ctypes.c_ulong(len(objects[1])))
caller(600_000_000)
"""
    recording, done = record(tmp_path, program)
    assert done.returncode == 0, done.stderr
    found = totals(recording, kind="compiled")
    assert found["outer.<locals>.inner"] > 0.6 * cpu(recording)
    assert "outer.<locals>.inner" in recording.report()
    assert "(compiled code)" not in recording.report(tree=True)


def source_of(function):
    import inspect

    return inspect.getsource(function)


def test_code_of_other_interpreters_of_the_process_is_seen(tmp_path):
    program = '''
import sys
if sys.version_info >= (3, 13):
    import _interpreters as interpreters
else:
    import _xxsubinterpreters as interpreters
code = """
def inner():
    t = 0
    for i in range(6_000_000): t += i & 3
inner()
"""
run = getattr(interpreters, "exec", None) or interpreters.run_string
run(interpreters.create(), code)
'''
    recording, done = record(tmp_path, program)
    assert done.returncode == 0, done.stderr
    assert totals(recording, kind="python")["inner"] > 0.5 * cpu(recording)
