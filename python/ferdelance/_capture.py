"""The source text of a function: `find`.

Texts are looked for wherever one may be left (see `_candidates`), and none is believed: a
candidate is compiled again, and accepted only if one of the code objects inside *equals* the
function's `__code__`. So a file that was edited after its import, a stale cache or one of many
texts called `<string>` cannot give a wrong source. Bytecode is compared, never read.

Equality of code objects covers name, first line, constants, bytecode and, from 3.11 on, all lines
and columns. It does not cover the file's name, and specialised or instrumented bytecode (tracing,
coverage, debuggers) does not disturb it. Where no candidate is equal, one is accepted that differs
in nothing that matters (see `_equivalent`): the file has grown above the function, `__code__` was
given another name.

Import hooks that rewrite the syntax tree (pytest's assertions, run-time type checkers) are asked
to compile the text again in their way.

What cannot be found: code that was compiled from a syntax tree that never was text. The audit
event `compile` has the tree, but no file name (3.10 to 3.13: its arguments are the tree and None),
so there is nothing to ask for it by. A tree that came unchanged from `ast.parse` is found through
the event of that parse.
"""

import os
import re
import stat
import sys
import time
import warnings
from itertools import chain
from keyword import iskeyword
from typing import NamedTuple


class Found(NamedTuple):
    """Where a function's source is."""

    #: the text of the whole file, cell or string, with "\\n" at line ends
    text: str
    #: its name: the code object's `co_filename`
    filename: str
    #: the line of the file that the text begins with
    first_line: int
    #: columns that were taken off the start of each line
    indent: int
    #: "def" or "lambda"
    kind: str
    #: the line of the file with the keyword, decorators excluded
    line: int
    #: the name after `def`, or the column of the lambda, in UTF-8 bytes from 0
    name_or_col: "str | int"


class NotFound(LookupError):
    """No text was found: why, and what to do about it."""

    def __str__(self):
        why, advice = self.args
        return f"{why}. {advice[0].upper()}{advice[1:]}"


def find(py_func, override=None):
    """The source of a function, as `Found`.

    `override` is its text where the user gave one. It is compared like any other. But it is the
    user's word, and the only way out for code that some tool has changed: so a text that is not
    equal is accepted too, if it has exactly one function of this name with these parameters.

    Raises LookupError where no text is found; `NotFound` where there is advice, too.
    """
    code = getattr(py_func, "__code__", None)
    if type(code) is not _Code:
        raise LookupError(f"{_name(py_func)} has no source text: it is not written in Python")
    if override is not None:
        return _find_in_override(py_func, code, override)
    # By identity: equal code objects may come from different files.
    known = _known.get(id(code))
    if known is not None and known[0] is code:
        return known[1]
    found = _search(py_func, code)
    _remember(_known, id(code), (code, found), 1024)
    return found


_Code = type(find.__code__)
#: Results by id of the code object; each keeps its code object alive.
_known = {}
#: Files by path: (what `stat` said, the `_Text`).
_files = {}
#: All other texts.
_texts = {}

#: Files that have changed since may be half edited.
_imported_at = time.time()

#: The flags of `from __future__` statements, as code objects carry them and `compile` takes them.
_FUTURE_FLAGS = 0x1FE0000
#: `ast.PyCF_ONLY_AST` and `ast.PyCF_ALLOW_TOP_LEVEL_AWAIT`, here because `ast` is slow to import.
#: Notebooks and `python -m asyncio` allow such awaits; they change no function's code.
_ONLY_AST, _TOP_LEVEL_AWAIT = 0x400, 0x2000
#: `inspect.CO_NESTED` and, from 3.14 on, `inspect.CO_METHOD`: whether a function is in another one,
#: or in a class, which its own text does not show.
_PLACE = 0x10 | 0x8000000
#: What `compile` raises for a text that is no Python, or one that is too deep.
_NOT_PYTHON = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)
#: Length from which it pays to compile single statements: half a millisecond's worth.
_LONG = 4096
#: Number of statements from which on it pays to compile the whole text.
_MANY = 16


def _remember(cache, key, value, size):
    """Put a value into a dict that is to stay small."""
    if len(cache) >= size:
        cache.clear()
    cache[key] = value


def _name(py_func):
    return getattr(py_func, "__qualname__", None) or repr(py_func)


def _described(error):
    """An error of `compile`, without the name that texts have here."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{error.msg} (line {error.lineno})"
    return str(error)


def _what(code):
    return "lambda" if code.co_name == "<lambda>" else f"function {code.co_name}"


# ---- the search ---------------------------------------------------------------------------------


def _search(py_func, code):
    tried = []
    seen = []
    for origin, text in _candidates(py_func, code, tried):
        found = text.find(code)
        if found is not None:
            return found
        seen.append((origin, text))
    imports = _imports_elsewhere(py_func, code)
    for origin, text in seen[:50]:
        found = _find_with_import_hook(py_func, code, text, tried)
        if found is None:
            found = text.find_equivalent(code, () if text.path else imports)
        if found is not None:
            return found
        tried.append(f"{origin}: {text.why_not(code)}")
    raise NotFound(
        f"cannot find the source text of {_name(py_func)} "
        f"({code.co_filename}, line {code.co_firstlineno}). "
        f"Tried: {'; '.join(dict.fromkeys(tried)) or 'nothing, no text has this name'}",
        _advice(code),
    )


def _advice(code):
    advice = "pass source= to the decorator, with the text of the function"
    if code.co_filename == "<stdin>":
        return f"{advice}, or put the program into a file"
    if code.co_filename.startswith("<"):
        return f"{advice}, or put the text into linecache.cache under this name"
    return f"{advice}; if the file was edited, import it again"


def _find_with_import_hook(py_func, code, text, tried):
    """`Found` in a file whose loader changes the syntax tree before it compiles it."""
    loader = py_func.__globals__.get("__loader__")
    if text.path is None or loader is None:
        return None
    if text.hooked is None or text.hooked[0] is not loader:
        try:
            module = _compile_with_import_hook(loader, text)
        except Exception as error:  # anything: it is code of other packages
            tried.append(f"compiling {text.path} with {type(loader).__name__}: {error!r}")
            module = None
        text.hooked = loader, module and _Region(text.lines, 1, 0, module=module)
    region = text.hooked[1]
    for other in region.at(code.co_firstlineno) if region else ():
        if other == code:
            return text.found(region, other, code)
    return None


def _imports_elsewhere(py_func, code):
    """Import statements that a part of a module may lack, see `_Text.imports`: guesses.

    The first one imports the modules that the code names, the second one all globals that it names.
    """
    namespace = py_func.__globals__
    names = set()
    for inner in (code, *chain.from_iterable(_by_line(code).values())):
        names.update(name for name in inner.co_names if name in namespace)
    modules = [name for name in names if isinstance(namespace[name], type(sys))]
    return [f"import {', '.join(sorted(group))}" for group in (modules, names) if group]


def _compile_with_import_hook(loader, text):
    """A module's code as its loader makes it, or None where the loader does nothing special."""
    rewrite = sys.modules.get("_pytest.assertion.rewrite")
    if rewrite is not None and isinstance(loader, rewrite.AssertionRewritingHook):
        from pathlib import Path

        return rewrite._rewrite_test(Path(text.path), loader.config)[1]
    from importlib.machinery import SourceFileLoader

    method = getattr(type(loader), "source_to_code", None)
    if method is None or method is SourceFileLoader.source_to_code:
        return None
    return loader.source_to_code(text.text.encode(), text.path)


# ---- where texts are looked for -----------------------------------------------------------------


def _candidates(py_func, code, tried):
    """Pairs (origin, `_Text`), likely and cheap ones first.

    `tried` collects the reasons why a place gives no text.
    """
    filename = code.co_filename
    pseudo = filename.startswith("<")
    carried = getattr(py_func, "__ferdelance_source__", None)
    if carried is not None:
        # Compared like the others: functools.wraps copies attributes to other functions.
        yield "__ferdelance_source__", _carried_text(carried)
    read = False
    if not pseudo or filename.startswith("<frozen "):
        for path in _paths(py_func, filename):
            text = _file(path, tried)
            if text is not None:
                read = read or path == filename
                yield f"the file {path}", text
    yield from _from_linecache(py_func, code, read, tried)
    if not read:
        # `ast.parse` calls its text <unknown> when it is not told a name.
        for name in (filename, "<unknown>"):
            for recent in _recent_sources(name):
                yield f"a text that was compiled as {name}", _text(_normalized(recent))
    if filename == "<string>":
        command = _command(sys.orig_argv)
        if command is not None:
            yield "the argument of -c", _text(command + "\n")
    if filename == "<stdin>":
        yield from _from_stdin(tried)
        yield from _from_history(code, tried)


def _carried_text(carried):
    """The text in `__ferdelance_source__`: a str, or a `Found`."""
    if isinstance(carried, str):
        return _text(carried)
    text, _, first_line, *_ = carried
    return _Text(text, first_line=first_line)


def _paths(py_func, filename):
    """Paths that may be a function's file: `co_filename` can be out of date or relative."""
    if not filename.startswith("<"):
        yield filename
    path = py_func.__globals__.get("__file__")
    if isinstance(path, str) and path != filename and path.endswith((".py", ".pyw")):
        yield path


def _file(path, tried):
    """The text of a file, or None."""
    try:
        info = os.stat(path)
        # Reading a pipe would wait for it, or take what the program wants to read.
        if not stat.S_ISREG(info.st_mode):
            tried.append(f"{path} is not a regular file")
            return None
        state = (info.st_mtime_ns, info.st_size, info.st_ino)
        known = _files.get(path)
        if known is not None and known[0] == state:
            return known[1]
        with open(path, "rb") as file:
            data = file.read()
        text = _Text(_decode(data), path=path, changed=info.st_mtime > _imported_at)
    except (OSError, ValueError, SyntaxError) as error:
        tried.append(f"{path}: {error}")
        return None
    _remember(_files, path, (state, text), 32)
    return text


def _decode(data):
    """The text of a source file: encoding cookie and byte order mark minded, "\\n" at line ends."""
    if b"coding" in b"\n".join(data[:1000].split(b"\n", 2)[:2]):
        from importlib.util import decode_source

        return decode_source(data).removeprefix("\ufeff")
    return _normalized(data.decode())


def _normalized(text):
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _from_linecache(py_func, code, was_read, tried):
    """What `linecache` has: notebooks, doctest, IDLE and the REPL of 3.13 put their texts there.

    It may have an older text of a file; it also asks loaders (archives) and searches `sys.path`.
    """
    if was_read and "linecache" not in sys.modules:
        return
    import linecache

    filename = code.co_filename
    if was_read or _is_special_file(filename):
        entry = linecache.cache.get(filename, ())
        lines = entry[2] if len(entry) == 4 else ()
    else:
        lines = linecache.getlines(filename, py_func.__globals__)
        # Later releases of 3.13 tell texts of one name apart by their code objects.
        by_code = getattr(linecache, "_getlines_from_code", None)
        if not lines and by_code is not None:
            lines = by_code(code)
    if lines:
        yield "linecache", _text(_normalized("".join(lines)))
    elif not was_read:
        tried.append("linecache has no text of this name")


def _is_special_file(filename):
    """Whether a name is that of a pipe, a device or the like, which must not be opened."""
    try:
        return not stat.S_ISREG(os.stat(filename).st_mode)
    except (OSError, ValueError):
        return False


def _recent_sources(filename):
    """Texts of this name that were compiled lately, the last one first, from the audit hook."""
    try:
        from . import _core
    except ImportError:  # not built; everything but `exec` works without
        return []
    return _core._recent_sources(filename)


def _command(argv):
    """The argument of `-c` in an interpreter's command line, or None."""
    arguments = iter(argv[1:])
    for option in arguments:
        if not option.startswith("-") or option == "-":
            return None
        if option == "--check-hash-based-pycs":
            next(arguments, None)
        elif not option.startswith("--"):
            # One-letter options can stand together; these take the rest or the next argument.
            position = next((i for i, letter in enumerate(option) if letter in "cmWX"), None)
            if position is not None:
                value = option[position + 1 :] or next(arguments, None)
                if option[position] in "cm":
                    return value if option[position] == "c" else None
    return None


def _from_stdin(tried):
    """The program in standard input, where that is a file: read without moving the offset."""
    try:
        info = os.fstat(0)
        if not stat.S_ISREG(info.st_mode):
            tried.append("standard input is not a regular file, it cannot be read again")
            return
        text = _decode(os.pread(0, info.st_size, 0))
    except (OSError, ValueError, SyntaxError) as error:
        tried.append(f"standard input: {error}")
        return
    yield "standard input", _text(text)


def _from_history(code, tried):
    """Statements of the line editor's history that contain the function, the last one first."""
    readline = sys.modules.get("readline")
    if readline is None:
        tried.append("there is no history of interactive input")
        return
    count = readline.get_current_history_length()
    lines = [readline.get_history_item(i + 1) or "" for i in range(count)]
    for statement in _history_statements(lines, code):
        text = _Text("\n".join(statement) + "\n")
        if text.find(code) is not None:
            yield "the history of interactive input", text
    tried.append(f"the history of interactive input ({count} lines) does not have it")


def _history_statements(lines, code, limit=2000):
    """Ranges of lines that may be the statement, at most `limit`.

    Each statement was compiled on its own, so the function's first line counts from its start.
    Where it ends is known only when it compiles to the right code.
    """
    before = code.co_firstlineno - 1
    for first in range(len(lines) - before - 1, -1, -1):
        line = lines[first + before]
        if code.co_name == "<lambda>":
            likely = "lambda" in line
        else:
            likely = line.lstrip().startswith(("@", "def ", "async "))
        for end in range(first + before + 1, min(first + 500, len(lines)) + 1) if likely else ():
            yield lines[first:end]
            limit -= 1
            if limit == 0:
                return


# ---- texts --------------------------------------------------------------------------------------


def _text(string):
    """The `_Text` of a string, made once."""
    text = _texts.get(string)
    if text is None:
        text = _Text(string)
        _remember(_texts, string, text, 32)
    return text


class _Text:
    """A text that may be a function's source. Lines are counted as in the file."""

    def __init__(self, text, first_line=1, path=None, changed=False):
        self.text = text
        self.lines = text.split("\n")
        self.first_line = first_line
        #: the file that it was read from
        self.path = path
        #: whether the file is newer than the program
        self.changed = changed
        #: why the whole text does not compile, once that was tried
        self.error = None
        #: (loader, `_Region` or None): the whole text as an import hook compiles it
        self.hooked = None
        self._regions = {}
        self._last_statement = (0, 0)
        self._imports = None

    def find(self, code):
        """`Found` if the text has a function whose code object equals `code`."""
        line, name = code.co_firstlineno, code.co_name
        if not self.first_line <= line < self.first_line + len(self.lines):
            return None
        # Tells most wrong strings at no cost. Names beyond ASCII can be spelled in several ways.
        word = "lambda" if name == "<lambda>" else name
        if self.path is None and word.isascii() and word not in self.text:
            return None
        for region in self._likely_regions(code):
            for other in region.at(line):
                if other == code:
                    return self.found(region, other, code)
        return None

    def find_equivalent(self, code, imports=()):
        """`Found` if the text has a function that does the same: see `equivalents`."""
        for region, other in self.equivalents(code, imports):
            found = self.found(region, other, code)
            if found is not None:
                return found
        return None

    def equivalents(self, code, imports=()):
        """Pairs (region, code object) of functions that do the same, see `_equivalent`.

        In the same line they may have another name. In other lines the nearest one comes first;
        functions of one name that do the same are interchangeable. `imports` are statements to try
        out, as the text may be a part of a module without those at its top.
        """
        flags = code.co_flags & _FUTURE_FLAGS
        line = code.co_firstlineno
        # It may have been compiled with another level of optimisation than this process has.
        ways = [("", -1), *((tail, -1) for tail in imports), ("", 0), ("", 1), ("", 2)]
        for tail, optimize in ways:
            region = self.region(None, flags, tail, optimize)
            if region is not None:
                same_name = region.named(code.co_name)
                same_name.sort(key=lambda other: abs(other.co_firstlineno - line))
                for other in [*region.at(line), *same_name]:
                    if _equivalent(other, code):
                        yield region, other

    def found(self, region, other, code):
        """`Found` for a code object of a region that stands for `code`; None if it has no place."""
        place = region.place(other)
        if place is None:
            return None
        if self.error is None:
            return Found(self.text, code.co_filename, self.first_line, 0, *place)
        return Found(region.text(), code.co_filename, region.first_line, 0, *place)

    def why_not(self, code):
        """The reason why nothing was found: a clause for a message."""
        region = self.region(None, code.co_flags & _FUTURE_FLAGS)
        if region is None:
            return f"it does not compile: {_described(self.error)}"
        what = _what(code)
        lines = [other.co_firstlineno for other in region.named(code.co_name)]
        if not lines:
            return f"it has no {what}"
        nearest = min(lines, key=lambda line: abs(line - code.co_firstlineno))
        return f"its {what} in line {nearest} is another one, or something has changed its code"

    def _likely_regions(self, code):
        """Parts of the text to look for a function in.

        In a long text the statement around the line comes first: it compiles to the same code
        objects, in less time, unless there are many. A file that has changed may be in the middle
        of being edited: where the whole of it does not compile, the statement may.
        """
        line, flags = code.co_firstlineno, code.co_flags & _FUTURE_FLAGS
        whole = None, ""
        if self.changed:
            parts = (whole, (self._statement(line), self.imports()))
        elif len(self.text) > _LONG and len(self._regions) < _MANY:
            parts = ((self._statement(line), self.imports()), whole)
        else:
            parts = (whole,)
        for extent, tail in parts:
            region = self.region(extent, flags, tail)
            if region is not None:
                yield region
        if self.path is None:
            yield from self._single_statements(code, flags)

    def _single_statements(self, code, flags):
        """The top-level statements around a function, each compiled alone, as notebooks do it.

        Imports in the same text make a difference, see `imports`.
        """
        whole = self.region(None, flags)
        line = code.co_firstlineno
        if whole is None or all(other.co_name != code.co_name for other in whole.at(line)):
            return
        for index, node in enumerate(whole.tree().body):
            if _first_line(node) <= line <= node.end_lineno:
                yield self.region(None, flags, only=index)

    def region(self, extent, flags, tail="", optimize=-1, only=None):
        """A range of lines (indices), or the whole text, compiled; None if it does not compile."""
        key = (extent, flags, tail, optimize, only)
        if key in self._regions:
            return self._regions[key]
        start, end = extent or (0, len(self.lines))
        lines = self.lines[start:end]
        region = None
        try:
            region = _Region(lines, self.first_line + start, flags, tail, optimize, only)
        except _NOT_PYTHON as error:
            if extent is None and not tail:
                self.error = error
        self._regions[key] = region
        return region

    def imports(self):
        """An import statement with the names that the module imports, by the looks of it.

        From 3.11 on, `a.b()` compiles to other code where the module has an import of `a`.
        """
        if self._imports is None:
            names = set()
            for match in _IMPORT.finditer(self.text):
                if match[1]:
                    line = self.text.count("\n", 0, match.start())
                    start = self._statement(self.first_line + line)[0]
                    if self.lines[start].startswith(_DEFINITIONS):
                        continue
                for part in re.sub("#.*", "", match[2] or match[3]).split(","):
                    name, renamed, new_name = part.partition(" as ")
                    names.add(new_name.strip() if renamed else name.partition(".")[0].strip())
            names = [name for name in names if name.isidentifier() and not iskeyword(name)]
            self._imports = f"import {', '.join(sorted(names))}" if names else ""
        return self._imports

    def _statement(self, line):
        """The lines (indices) of the top-level statement around a line, by the looks of it.

        A guess: lines inside of a string can look like the start of a statement. A wrong guess is a
        part that does not compile, or not to the function.
        """
        lines = self.lines
        start = line - self.first_line
        if self._last_statement[0] <= start < self._last_statement[1]:
            return self._last_statement
        while start > 0 and not _starts_statement(lines[start]):
            start -= 1
        end = start + 1
        decorated = lines[start].startswith("@")
        while end < len(lines):
            if _starts_statement(lines[end]):
                if not decorated:
                    break
                decorated = lines[end].startswith("@")
            end += 1
        self._last_statement = start, end
        return start, end


def _starts_statement(line):
    """Whether a line looks like the first one of a top-level statement."""
    return line[:1] not in _NO_START and not line.startswith(_NO_START_WORDS)


_NO_START = frozenset(["", *" \t\f#)]}\\"])
_NO_START_WORDS = ("else", "elif ", "except", "finally")
_DEFINITIONS = ("def ", "class ", "async ", "@")
#: Indentation and names of an import statement, with or without parentheses.
_IMPORT = re.compile(r"^([ \t]*)(?:from [\w.]+ )?import (?:\(([^)]*)\)|(.*))$", re.MULTILINE)


class _Region:
    """Whole statements, compiled as the lines of the file that they are."""

    def __init__(self, lines, first_line, flags, tail="", optimize=-1, only=None, module=None):
        self.lines = lines
        self.first_line = first_line
        self._flags = flags
        #: a line of Python to compile behind it: at the end it disturbs no line numbers
        self._tail = tail
        #: index of the only statement to compile
        self._only = only
        if module is None:
            source = self._source() if only is None else self.tree()
            module = _compile(source, flags, optimize)
        #: the code objects inside, by first line
        self._codes = _by_line(module)

    def at(self, line):
        """The code objects that begin in that line."""
        return self._codes.get(line, ())

    def named(self, name):
        """The code objects of that name."""
        return [code for group in self._codes.values() for code in group if code.co_name == name]

    def text(self):
        """The statements' text."""
        return "\n".join(self.lines) + "\n"

    def _source(self):
        """The text with its lines where they belong."""
        return "\n" * (self.first_line - 1) + self.text() + self._tail

    def tree(self):
        """The syntax tree, a new one each time."""
        tree = _compile(self._source(), self._flags | _ONLY_AST)
        if self._only is not None:
            tree.body = [tree.body[self._only]]
        return tree

    def place(self, code):
        """The last parts of `Found` for a code object; None if it is not a function's."""
        line, name = code.co_firstlineno, code.co_name
        if name == "<lambda>":
            column = self._lambda_column(code)
            return None if column is None else ("lambda", line, column)
        line = self._def_line(line, name)
        return None if line is None else ("def", line, name)

    def _def_line(self, first, name):
        """The line of the `def` whose first line, decorators included, is `first`."""
        for index in range(first - self.first_line, len(self.lines)):
            line = self.lines[index]
            words = line.replace("(", " ( ").replace("[", " [ ").split(None, 3)
            if words[:1] == ["async"]:
                del words[0]
            if words[:2] == ["def", name]:
                return self.first_line + index
            # Outside of long strings and continued lines, `def name` can be nothing else.
            if words[:1] == ["def"] or '"""' in line or "'''" in line or line.endswith("\\"):
                break
        import ast

        for node in ast.walk(self.tree()):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
                if first == _first_line(node):
                    return node.lineno
        return None

    def _lambda_column(self, code):
        """The column of a lambda in its line."""
        line = self.lines[code.co_firstlineno - self.first_line]
        if line.count("lambda") == 1:
            return len(line[: line.index("lambda")].encode())
        import ast

        tree = self.tree()
        nodes = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno
        ]
        if len(nodes) == 1:
            return nodes[0].col_offset
        # Several: move one after the other to lines of its own, compile again, and look there.
        for node in nodes:
            _move(node, _FAR)
            module = _compile(tree, self._flags)
            _move(node, -_FAR)
            for other in _outermost(module, code.co_firstlineno + _FAR):
                if other.co_linetable == code.co_linetable and _equivalent(other, code):
                    return node.col_offset
        return None


#: Number of lines that no file has.
_FAR = 10_000_000


def _move(node, lines):
    """Move the syntax tree of a lambda. Defaults are not moved: they are no part of its code."""
    import ast

    node.lineno += lines
    node.end_lineno += lines
    ast.increment_lineno(node.body, lines)


def _outermost(module, line):
    """The code objects whose first line is `line`, without those inside of them."""
    for constant in module.co_consts:
        if type(constant) is _Code:
            if constant.co_firstlineno == line:
                yield constant
            else:
                yield from _outermost(constant, line)


def _first_line(node):
    """The first line of a function's syntax node, decorators included, as code objects have it."""
    decorators = getattr(node, "decorator_list", ())
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _by_line(module):
    """All code objects in one, by their first lines."""
    codes = {}
    stack = [module]
    while stack:
        for constant in stack.pop().co_consts:
            if type(constant) is _Code:
                codes.setdefault(constant.co_firstlineno, []).append(constant)
                stack.append(constant)
    return codes


#: The name that texts are compiled under here: that of a file, so that the audit hook, which keeps
#: the texts of whatever is no file, does not keep them.
COMPILED_AS = __file__
_IGNORE = ("ignore", None, Warning, COMPILED_AS.removesuffix(".py"), 0)


def _compile(source, flags, optimize=-1):
    """Compile or (with `_ONLY_AST`) parse a text, or compile a tree.

    No warnings: they were given when the program itself was compiled. `warnings.catch_warnings`
    would forget which ones were given already, and is not safe between threads; a filter for one
    file name disturbs nobody who sees it.
    """
    filters = warnings.filters
    filters.insert(0, _IGNORE)
    try:
        return compile(source, COMPILED_AS, "exec", flags | _TOP_LEVEL_AWAIT, True, optimize)
    finally:
        filters.remove(_IGNORE)


# ---- comparing ----------------------------------------------------------------------------------

_COMPARED = [
    "co_code",
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
]
if sys.version_info >= (3, 11):
    _COMPARED.append("co_exceptiontable")


def _equivalent(a, b):
    """Whether two code objects do the same, wherever they stand and whatever they are called."""
    return (
        all(getattr(a, attribute) == getattr(b, attribute) for attribute in _COMPARED)
        and (a.co_flags ^ b.co_flags) & ~_PLACE == 0
        and _same_constant(a.co_consts, b.co_consts)
    )


def _same_constant(a, b):
    if type(a) is not type(b):
        return False
    if type(a) is _Code:
        return a.co_name == b.co_name and _equivalent(a, b)
    if type(a) is tuple:
        return len(a) == len(b) and all(map(_same_constant, a, b))
    if sys.version_info < (3, 11) and type(a) is str and ".<locals>." in a and ".<locals>." in b:
        # The qualified names of inner functions are constants here; they tell what is around.
        return a.rpartition(".")[2] == b.rpartition(".")[2]
    # 0.0 is not -0.0, and nan is nan.
    return repr(a) == repr(b) if isinstance(a, (float, complex)) else a == b


# ---- texts that the user gives ------------------------------------------------------------------


def _find_in_override(py_func, code, source):
    """`Found` in the text that the user gave: a file, one function, or a method as it stands."""
    source = _normalized(source)
    class_name = _class_name(getattr(code, "co_qualname", py_func.__qualname__))
    if _is_indented(source):
        # Taking the indentation away would change strings that go over several lines.
        source = ("if 1:" if class_name is None else f"class {class_name}:") + "\n" + source
    text = _text(source)
    found = text.find(code)
    if found is not None:
        return found
    region = text.region(None, code.co_flags & _FUTURE_FLAGS)
    if region is None:
        raise LookupError(
            f"the text that source= gives for {_name(py_func)} does not compile: "
            f"{_described(text.error)}"
        )
    imports = _imports_elsewhere(py_func, code)
    in_context = _equivalents_in_context(region, code, class_name or "_", imports)
    for part, other in chain(text.equivalents(code, imports), in_context):
        found = text.found(part, other, code)
        if found is not None:
            return _renumbered(found, other.co_firstlineno, code)
    node = _only_function(region.tree(), code)
    if node is None:
        raise LookupError(
            f"the text that source= gives for {_name(py_func)} does not have exactly one "
            f"{_what(code)} with the parameters ({', '.join(_parameters_of_code(code))})"
        )
    if code.co_name == "<lambda>":
        place = "lambda", node.lineno, node.col_offset
    else:
        place = "def", node.lineno, node.name
    return _renumbered(Found(source, code.co_filename, 1, 0, *place), _first_line(node), code)


def _renumbered(found, first_line, code):
    """Count the lines of a part of a file as in the file, which the function's first line tells."""
    shift = code.co_firstlineno - first_line
    if found.first_line + shift < 1:
        return found
    return found._replace(first_line=found.first_line + shift, line=found.line + shift)


def _class_name(qualname):
    """The innermost class around a function, by its qualified name, or None."""
    parts = qualname.split(".")
    for outer, inner in zip(parts[-2::-1], parts[:0:-1], strict=True):
        if "<locals>" not in (outer, inner):
            return outer
    return None


def _is_indented(source):
    """Whether the first line with code begins with white space."""
    for line in source.split("\n"):
        if line.strip() and not line.lstrip().startswith("#"):
            return line[0] in " \t"
    return False


def _equivalents_in_context(region, code, class_name, imports):
    """Like `_Text.equivalents`, with the text put into a class and where the free variables are."""
    import ast

    body = [
        node
        for node in region.tree().body
        if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
    ]
    if not body:
        return
    free = ", ".join(name for name in code.co_freevars if name != "__class__")
    for tail in ("", *imports):
        tree = ast.parse(f"class {class_name}:\n def _({free}): pass\n{tail}")
        tree.body[0].body[0].body = body
        for other in chain.from_iterable(
            _by_line(_compile(tree, code.co_flags & _FUTURE_FLAGS)).values()
        ):
            if other.co_name == code.co_name and _equivalent(other, code):
                yield region, other


def _only_function(tree, code):
    """The syntax node of the only function with that name and those parameters, or None."""
    import ast

    is_lambda = code.co_name == "<lambda>"
    kind = ast.Lambda if is_lambda else (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, kind)
        and (is_lambda or node.name == code.co_name)
        and _parameters_of_node(node.args) == _parameters_of_code(code)
    ]
    return nodes[0] if len(nodes) == 1 else None


def _parameters_of_code(code):
    count = code.co_argcount + code.co_kwonlyargcount
    parameters = list(code.co_varnames[:count])
    for flag, stars in ((0x4, "*"), (0x8, "**")):  # inspect.CO_VARARGS, inspect.CO_VARKEYWORDS
        if code.co_flags & flag:
            parameters.append(stars + code.co_varnames[count])
            count += 1
    return parameters


def _parameters_of_node(args):
    parameters = [parameter.arg for parameter in args.posonlyargs + args.args + args.kwonlyargs]
    for parameter, stars in ((args.vararg, "*"), (args.kwarg, "**")):
        if parameter is not None:
            parameters.append(stars + parameter.arg)
    return parameters
