"""DuckDB as a server on a pipe: a line of JSON in, {"sql": …}, and a line of JSON out.

The first line out is {"version": …, "httpfs": path or null, "postgres": path or null}. An answer is {"error": …} or {"seconds": …,
"rows": …, "doubles": …}: what executing and fetching alone took; the cells as Postgres prints them, NULL
as null; and for each column whether it has doubles, which are printed so that they read back the same.
"""

import datetime
import importlib.util
import json
import pathlib
import sys
import time

import duckdb


def extension(name):
    """An extension's file, from its package in this environment; nothing is downloaded."""
    package = importlib.util.find_spec("duckdb_extension_" + name)
    found = package and pathlib.Path(package.origin).parent.rglob(name + ".duckdb_extension")
    return next(map(str, found), None) if found else None


def text(value):
    if isinstance(value, datetime.datetime):
        # Postgres's timestamp has no zone; the session's is UTC.
        value = value.replace(tzinfo=None)
    return None if value is None else str(value)


def answer(db, sql):
    began = time.perf_counter()
    rows = db.execute(sql).fetchall()
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "rows": [[text(value) for value in row] for row in rows],
        "doubles": [any(isinstance(value, float) for value in column) for column in zip(*rows)],
    }


db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
# It would be drawn into the answers.
db.execute("SET enable_progress_bar = false")
hello = {
    "version": duckdb.__version__,
    "httpfs": extension("httpfs"),
    "postgres": extension("postgres_scanner"),
}
print(json.dumps(hello), flush=True)
for line in sys.stdin:
    try:
        reply = answer(db, json.loads(line)["sql"])
    except Exception as error:  # whatever went wrong, the other side reports it
        reply = {"error": str(error)}
    print(json.dumps(reply), flush=True)
