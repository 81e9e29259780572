"""Checks hashes of passwords by argon2-cffi and passlib, and makes some: for each line "HASH PASSWORD" of its standard input,
prints what each of the two says; then a hash of "hunter2" by each, with little cost, and one with what argon2-cffi takes by
itself."""

import sys

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from passlib.hash import argon2


def by_argon2_cffi(text, password):
    try:
        return PasswordHasher().verify(text, password)
    except VerifyMismatchError:
        return False


for line in sys.stdin:
    text, password = line.rstrip("\n").split(" ", 1)
    print(by_argon2_cffi(text, password), argon2.verify(password, text))
print(PasswordHasher(memory_cost=64, time_cost=1, parallelism=4).hash("hunter2"))
print(argon2.using(rounds=2, memory_cost=64, parallelism=1).hash("hunter2"))
print(PasswordHasher().hash("hunter2"))
