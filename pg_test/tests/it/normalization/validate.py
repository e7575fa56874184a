"""Runs the FinOps Foundation's validator over a CSV of the focus view.

Prints the rules that fail, one a line, without those that only sum others up. The CSV goes through
Parquet, for the validator would take account numbers for numbers.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

import duckdb
import focus_validator

MODEL = "1.2.0.1"  # the newest that comes with the validator; others it would download

csv, types = sys.argv[1], json.loads(sys.argv[2])
columns = ", ".join(f"'{name}': '{of_type}'" for name, of_type in types.items())
package = os.path.dirname(os.path.dirname(focus_validator.__file__))
with tempfile.TemporaryDirectory() as folder:
    parquet = os.path.join(folder, "focus.parquet")
    duckdb.sql(
        f"COPY (FROM read_csv('{csv}', header = true, auto_detect = false, quote = '\"', escape = '\"', columns = {{{columns}}})) TO '{parquet}'"
    )
    run = subprocess.run(
        [sys.executable, "-c", "from focus_validator.main import main; main()"]
        + ["--data-file", parquet, "--validate-version", MODEL, "--block-download"]
        + ["--focus-dataset", "CostAndUsage", "--applicability-criteria", "ALL"],
        cwd=package,  # where it looks for its list of currencies
        capture_output=True,
        text=True,
    )
if "=== Validation Results ===" not in run.stdout:
    sys.exit(run.stdout[-2000:] + run.stderr[-4000:])
for line in run.stdout.splitlines():
    found = re.match(r"\S+ (\S+): (FAIL|ERROR)\b(.*)", line)
    if found and " failed - failed child rules" not in line:
        print(found[1], file=sys.stdout)
        print(line, file=sys.stderr)
print(re.search(r"Total: .*", run.stdout)[0], file=sys.stderr)
