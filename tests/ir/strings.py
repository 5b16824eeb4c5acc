"""Strings are objects: counted, but literals are not."""


# count: str, str
def concatenated(a, b):
    return a + b


# count: b1
def literals(flag):
    return "yes" if flag else "no"


# count: str, i8
def repeated_in_a_loop(text, n):
    out = ""
    for _ in range(n):
        out += text
    return out


# count: str
def compared(a):
    return a + "x" == "yx"
