"""Names and attributes."""

import math

import numpy as np


# error: i8
def unknown_name(x):
    return x + scael


# error: i8
def unbound_variable(x):
    y = x + later
    later = 1
    return y


# error: f8[:]
def attribute_with_a_neighbour(a):
    return a.shap


# error: f8[:]
def attribute_without_a_neighbour(a):
    return a.no_such_attribute


# error: i8
def method_of_a_number(n):
    return n.append(1)


# error: f8[:]
def unsupported_function(a):
    return np.asmatrix(a)


# error: i8
def module_as_a_value(n):
    return math + n
