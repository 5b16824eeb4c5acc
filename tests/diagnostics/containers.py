"""Lists, dicts and sets that have no type."""


# error: i8
def value_of_another_type(n):
    d = {n: 1}
    d[2] = "x"
    return d


# error: i8
def key_of_another_type(n):
    d = {n: 1}
    return d["x"]


# error: i8
def unhashable(n):
    return {[n]: 1}


# error: i8
def item_of_another_type(n):
    s = {n}
    s.add("x")
    return s


# error: i8
def nothing_is_put_in(n):
    d = {}
    return len(d) + n


# error: i8
def no_operator(n):
    return {n} | {n: 1}


# error: i8
def no_method(n):
    d = {n: 1}
    return d.has_key(n)
