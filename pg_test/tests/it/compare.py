"""Compares a foreign table's rows with DuckDB's reading of the same Parquet file.

    compare.py TABLE.csv FILE.parquet YEAR MONTH COLUMNS-ONLY-IN-THE-TABLE...

TABLE.csv comes from COPY … (FORMAT csv, HEADER, FORCE_QUOTE *, NULL '\\N'): a text is quoted and a
NULL is not. Both sides are compared as multisets of rows, every column as the text it prints as:
for a double that is the shortest text that reads as the same bits, so equal text is equal bits.
"""

import sys

import duckdb

table, file, year, month, *absent = sys.argv[1:]
PATH_COLUMNS = {"billing_period": f"{year}-{int(month):02}-01", "year": year, "month": month}

db = duckdb.connect(config={"threads": 2})
db.sql("SET TimeZone = 'UTC'")
db.sql(
    f"""CREATE TABLE ours AS FROM read_csv('{table}', header = true, all_varchar = true,
        delim = ',', quote = '"', escape = '"', nullstr = '\\N', allow_quoted_nulls = false,
        strict_mode = true, auto_detect = false, columns = {{
            {", ".join(f"'{name}': 'VARCHAR'" for name in open(table).readline().rstrip().replace('"', "").split(","))}
        }})"""
)
db.sql(f"CREATE VIEW theirs AS FROM read_parquet('{file}', hive_partitioning = false)")

ours = [row[0] for row in db.sql("DESCRIBE ours").fetchall()]
theirs = {row[0]: row[1] for row in db.sql("DESCRIBE theirs").fetchall()}
expected = set(theirs) | set(PATH_COLUMNS) | set(absent)
if set(ours) != expected:
    sys.exit(f"columns differ: {sorted(set(ours) ^ expected)}")

for name, value in PATH_COLUMNS.items():
    if db.sql(f"SELECT count(*) FROM ours WHERE \"{name}\" IS DISTINCT FROM '{value}'").fetchone()[0]:
        sys.exit(f"{name} is not {value} everywhere")
for name in absent:
    if db.sql(f'SELECT count("{name}") FROM ours').fetchone()[0]:
        sys.exit(f"{name} is not NULL everywhere, but the file does not have it")


def printed(name, kind):
    kind = "TIMESTAMP" if kind.startswith("TIMESTAMP") else kind
    return f'CAST(CAST("{name}" AS {kind}) AS VARCHAR) AS "{name}"'


columns = ", ".join(printed(name, kind) for name, kind in theirs.items())
db.sql(f"CREATE TABLE o AS SELECT {columns} FROM ours")
db.sql(f"CREATE TABLE t AS SELECT {columns} FROM theirs")
rows = db.sql("SELECT (SELECT count(*) FROM o), (SELECT count(*) FROM t)").fetchone()
if rows[0] != rows[1]:
    sys.exit(f"{rows[0]} rows, but DuckDB reads {rows[1]}")
for one, other in [("o", "t"), ("t", "o")]:
    extra = db.sql(f"SELECT * FROM (FROM {one} EXCEPT ALL FROM {other}) LIMIT 2").fetchall()
    if extra:
        sys.exit(f"rows only in {'ours' if one == 'o' else 'DuckDB'}: {extra}")

nulls, empty, cells = 0, 0, rows[0] * len(theirs)
for name in theirs:
    count = db.sql(f"""SELECT count(*) - count("{name}"), count(*) FILTER ("{name}" = '') FROM o""").fetchone()
    nulls, empty = nulls + count[0], empty + count[1]
print(f"{cells} cells of {len(theirs)} columns are equal; {nulls} are NULL, {empty} are empty texts")
