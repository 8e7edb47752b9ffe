"""OAUTHBEARER by libpq 18 itself, out of psycopg's wheel: its hook gives the token, as libpq-oauth's device flow would.

Prints what libpq was told of the issuer, then what it says: `rows N` or its error. TOKEN, LIBPQ and CONNINFO are given.
"""

import ctypes
import os


class Request(ctypes.Structure):
    """PGoauthBearerRequest (libpq-fe.h)."""

    _fields_ = [
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("flow", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_void_p),
        ("user", ctypes.c_void_p),
    ]


TOKEN_WANTED = 1
libpq = ctypes.CDLL(os.environ["LIBPQ"])
token = ctypes.create_string_buffer(os.environ["TOKEN"].encode())


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Request))
def hook(kind, _connection, request):
    if kind != TOKEN_WANTED:
        return 0
    print("asked", request[0].openid_configuration.decode(), request[0].scope.decode(), flush=True)
    request[0].token = ctypes.addressof(token)
    return 1


libpq.PQsetAuthDataHook(hook)
for name in ("PQconnectdb", "PQexec"):
    getattr(libpq, name).restype = ctypes.c_void_p
libpq.PQerrorMessage.restype = ctypes.c_char_p
connection = ctypes.c_void_p(libpq.PQconnectdb(os.environ["CONNINFO"].encode()))
if libpq.PQstatus(connection) == 0:
    answer = ctypes.c_void_p(libpq.PQexec(connection, b"select id from orders"))
    print("rows", libpq.PQntuples(answer))
else:
    print(libpq.PQerrorMessage(connection).decode().strip())
libpq.PQfinish(connection)
