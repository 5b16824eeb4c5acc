"""Dicts and sets: what is inlined, and who holds keys and values."""


# expand: i8
def counting(n):
    d = {}
    for i in range(n):
        d[i % 7] = d.get(i % 7, 0) + 1
    return len(d)


# count: str
def text_keys(s):
    d = {s: "value"}
    return d[s]


# count: i8
def iterating(n):
    s = {n, 5}
    total = 0
    for x in s:
        total += x
    return total
