// Prints where this CPython keeps what: the rows of crates/interpreter/src/layout.rs, as `name offset`.
//
//     cc $(python3-config --includes) scripts/cpython-layout.c -o /tmp/layout && /tmp/layout
//
// Only headers are used: nothing is linked, and no Python runs.
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <stdio.h>
#include "internal/pycore_runtime.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_gil.h"
#if PY_VERSION_HEX >= 0x030B0000
#include "internal/pycore_dict.h"
#else
struct _dictkeysobject {
    Py_ssize_t dk_refcnt, dk_size;
    void *dk_lookup;
    Py_ssize_t dk_usable, dk_nentries;
    char dk_indices[];
};
#endif
#if PY_VERSION_HEX >= 0x030B0000
#include "internal/pycore_code.h"
#include "internal/pycore_frame.h"
#else
#include <frameobject.h>
#endif

#define AT(name, type, member) printf("%s %zu\n", name, offsetof(type, member))

int main(void) {
    printf("version %d\n", PY_VERSION_HEX >> 16);

    AT("thread_id", PyThreadState, thread_id);
    AT("thread_interpreter", PyThreadState, interp);
    AT("thread_tracing", PyThreadState, tracing);
    AT("thread_next", PyThreadState, next);
#if PY_VERSION_HEX >= 0x030B0000
    AT("thread_native_id", PyThreadState, native_thread_id);
    AT("interpreter_threads", PyInterpreterState, threads.head);
#else
    AT("interpreter_threads", PyInterpreterState, tstate_head);
#endif
    AT("interpreter_next", PyInterpreterState, next);
    AT("runtime_interpreters", _PyRuntimeState, interpreters.head);
#if PY_VERSION_HEX >= 0x030C0000
    AT("gil", PyInterpreterState, ceval.gil);
#else
    AT("gil", _PyRuntimeState, ceval.gil);
#endif
    AT("gil.holder", struct _gil_runtime_state, last_holder);
    AT("gil.locked", struct _gil_runtime_state, locked);
    printf("gil_size %zu\n", sizeof(struct _gil_runtime_state));

#if PY_VERSION_HEX >= 0x030D0000
    AT("chain.frame", PyThreadState, current_frame);
#elif PY_VERSION_HEX >= 0x030B0000
    AT("chain.cframe", PyThreadState, cframe);
    AT("chain.current", _PyCFrame, current_frame);
    AT("chain.outer", _PyCFrame, previous);
#if PY_VERSION_HEX < 0x030C0000
    AT("chain.is_entry", _PyInterpreterFrame, is_entry);
#endif
#else
    AT("chain.frame", PyThreadState, frame);
    AT("chain.cframe", PyThreadState, cframe);
    AT("chain.outer", CFrame, previous);
#endif

#if PY_VERSION_HEX >= 0x030B0000
#if PY_VERSION_HEX >= 0x030D0000
    AT("frame.code", _PyInterpreterFrame, f_executable);
    AT("frame.instruction", _PyInterpreterFrame, instr_ptr);
#else
    AT("frame.code", _PyInterpreterFrame, f_code);
    AT("frame.instruction", _PyInterpreterFrame, prev_instr);
#endif
    AT("frame.previous", _PyInterpreterFrame, previous);
    AT("frame.locals", _PyInterpreterFrame, localsplus);
    AT("frame.owner", _PyInterpreterFrame, owner);
    AT("code.name", PyCodeObject, co_qualname);
    AT("code.locals", PyCodeObject, co_localsplusnames);
    AT("code.instructions", PyCodeObject, co_code_adaptive);
#else
    AT("frame.code", PyFrameObject, f_code);
    AT("frame.instruction", PyFrameObject, f_lasti);
    AT("frame.previous", PyFrameObject, f_back);
    AT("frame.locals", PyFrameObject, f_localsplus);
    AT("code.name", PyCodeObject, co_name);
    AT("code.locals", PyCodeObject, co_varnames);
    AT("code.instructions", PyCodeObject, co_code);
#endif
    AT("code.file", PyCodeObject, co_filename);
    AT("code.lines", PyCodeObject, co_linetable);
    AT("code.first_line", PyCodeObject, co_firstlineno);
    AT("code.argcount", PyCodeObject, co_argcount);
    AT("code.kwonlyargcount", PyCodeObject, co_kwonlyargcount);
    AT("code.flags", PyCodeObject, co_flags);

    AT("type.basicsize", PyTypeObject, tp_basicsize);
    AT("type.flags", PyTypeObject, tp_flags);
    AT("type.dictoffset", PyTypeObject, tp_dictoffset);
    AT("type.cached_keys", PyHeapTypeObject, ht_cached_keys);
    AT("dict.keys", PyDictObject, ma_keys);
    AT("dict.values", PyDictObject, ma_values);
    AT("keys.nentries", struct _dictkeysobject, dk_nentries);
    AT("keys.indices", struct _dictkeysobject, dk_indices);
#if PY_VERSION_HEX >= 0x030B0000
    AT("keys.values", struct _dictvalues, values);
#endif

    AT("tuple.items", PyTupleObject, ob_item);
    printf("ascii %zu\n", sizeof(PyASCIIObject));
    printf("characters %zu\n", sizeof(PyCompactUnicodeObject));
    return 0;
}
