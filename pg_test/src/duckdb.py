"""DuckDB as a server on a pipe: a line of JSON in, {"sql": …}, and a line of JSON out.

The first line out is {"version": …, "httpfs": path or null}. An answer is {"seconds": …, "rows": …},
where seconds are those of executing and fetching alone, or {"error": …}. In rows a double is a number,
NULL is null, and everything else is the text Postgres has for it. Instants are printed in UTC.
"""

import datetime
import importlib.util
import json
import pathlib
import sys
import time

import duckdb


def httpfs():
    """The extension that reads S3, from its package in this environment; nothing is downloaded."""
    package = importlib.util.find_spec("duckdb_extension_httpfs")
    found = package and pathlib.Path(package.origin).parent.rglob("httpfs.duckdb_extension")
    return next(map(str, found), None) if found else None


def cell(value):
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, datetime.datetime):
        # Postgres's timestamp has no zone; the session's is UTC.
        return str(value.replace(tzinfo=None))
    return str(value)


def answer(db, sql):
    began = time.perf_counter()
    rows = db.execute(sql).fetchall()
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "rows": [[cell(value) for value in row] for row in rows]}


db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
print(json.dumps({"version": duckdb.__version__, "httpfs": httpfs()}), flush=True)
for line in sys.stdin:
    try:
        reply = answer(db, json.loads(line)["sql"])
    except Exception as error:  # whatever went wrong, the other side reports it
        reply = {"error": str(error)}
    print(json.dumps(reply), flush=True)
