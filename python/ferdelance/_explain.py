"""How the remarks about a compiled function are shown."""

import textwrap

WIDTH = 100


class Explanation(str):
    """A text that an interactive session shows as it is."""

    __slots__ = ()

    def __new__(cls, name, signature, lines):
        return super().__new__(cls, rendered(name, signature, lines))

    def __repr__(self):
        return str(self)


def rendered(name, signature, lines):
    """The remarks of one signature, below the lines they are about: a str."""
    out = [f"{name}({', '.join(map(str, signature))})"]
    file = None
    for line in lines:
        if line["file"] != file:
            file = line["file"]
            out += ["", file]
        number = f"{line['line']:>5} | "
        out += ["", number + textwrap.shorten(line["source"], WIDTH - len(number))]
        for remark in line["remarks"]:
            out += textwrap.wrap(
                remark["text"],
                WIDTH,
                initial_indent=f"{'':5} |   {remark['topic']:<9}",
                subsequent_indent=f"{'':5} |   {'':9}",
            )
    if file is None:
        out += ["", "No operations on whole arrays, and no loops that were vectorised."]
    return "\n".join(out)
