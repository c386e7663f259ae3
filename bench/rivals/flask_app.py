"""Flask that does next to nothing: the same bytes as our answers, from memory, with and without verifying a JWT.

Run with RIVAL_BYTES naming a folder that has the files ``list`` and ``one``, and with RIVAL_JWT_SECRET set.
"""

from os import environ
from pathlib import Path

import jwt
from flask import Flask, Response, request

LIST = Path(environ["RIVAL_BYTES"], "list").read_bytes()
ONE = Path(environ["RIVAL_BYTES"], "one").read_bytes()
SECRET = environ["RIVAL_JWT_SECRET"]

application = Flask(__name__)


def verify() -> None:
    token = request.headers["Authorization"].removeprefix("Bearer ")
    jwt.decode(token, SECRET, algorithms=["HS256"], audience="cartwright-api", issuer="cartwright")


@application.get("/open/list")
def open_list() -> Response:
    return Response(LIST, mimetype="application/json")


@application.get("/list")
def guarded_list() -> Response:
    verify()
    return Response(LIST, mimetype="application/json")


@application.get("/one")
def guarded_one() -> Response:
    verify()
    return Response(ONE, mimetype="application/json")


@application.get("/open/one")
def open_one() -> Response:
    return Response(ONE, mimetype="application/json")
