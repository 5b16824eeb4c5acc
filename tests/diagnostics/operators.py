"""Operators, indices and conversions."""


# error: i8, str
def no_operator(n, text):
    return n + text


# error: str
def no_unary_operator(text):
    return -text


# error: i8, str
def no_comparison(n, text):
    return n < text


# error: f8[:], f8
def float_as_an_index(a, x):
    return a[x]


# error: f8[:, :]
def too_many_indices(a):
    return a[0, 1, 2]


# error: (i8, f8)
def tuple_index_out_of_bounds(pair):
    return pair[2]


# error: (i8, str), i8
def tuple_index_not_constant(pair, i):
    return pair[i]


# error: i8
def number_indexed(n):
    return n[0]


# error: str
def number_called(text):
    return text(1)


# error: i8
def number_iterated(n):
    for x in n:
        pass


# error: (i8, i8)
def unpacked_wrongly(pair):
    a, b, c = pair
    return a


# error: (i8, i8)
def tuple_assigned(pair):
    pair[0] = 1


# error: f8[:], str
def text_stored_in_an_array(a, text):
    a[0] = text


# error: i8
def two_types_of_a_variable(n):
    if n > 0:
        x = "text"
    else:
        x = 1
    return x


# error: b1
def two_types_of_a_result(flag):
    if flag:
        return (1, 2)
    return 3.0
