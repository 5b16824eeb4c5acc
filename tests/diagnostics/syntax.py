"""Syntax that compiled code does not have."""


# error: i8
def asynchronous(n):
    async def inner():
        return n

    return inner


# error: i8
def class_inside(n):
    class Inner:
        pass

    return n


# error: i8
def imports_inside(n):
    import os

    return n


# error: i8
def global_statement(n):
    global counter
    counter = n


# error: i8
def deleted(n):
    del n
    return n
