//! The queries notice what they are for: a scan that is wrong in one cell or in one meaning.

use super::session::Session;
use super::table::HEAP;
use crate::env::Env;
use pg_test::Result;

/// Queries within which a wrong table is to be noticed.
const SEEDS: u64 = 2_000;

/// What a scan may get wrong in a single row. `id` numbers the rows.
const WRONG_CELLS: [&str; 10] = [
    "DELETE FROM wrong.usage WHERE id = 1234",
    "INSERT INTO wrong.usage SELECT * FROM wrong.usage WHERE id = 2345",
    "UPDATE wrong.usage SET cost = cost + 1.0 / 1024 WHERE id = 77",
    "UPDATE wrong.usage SET big = 9007199254740992 WHERE id = \
       (SELECT min(id) FROM wrong.usage WHERE big = 9007199254740993)",
    "UPDATE wrong.usage SET odd8 = 0 WHERE id = \
       (SELECT min(id) FROM wrong.usage WHERE odd8::text = '-0')",
    "UPDATE wrong.usage SET account = NULL WHERE id = \
       (SELECT min(id) FROM wrong.usage WHERE account = '')",
    "UPDATE wrong.usage SET note = 'trailing' WHERE id = \
       (SELECT min(id) FROM wrong.usage WHERE note = 'trailing ')",
    "UPDATE wrong.usage SET usage_start = usage_start + interval '1 microsecond' WHERE id = 2001",
    "UPDATE wrong.usage SET flag = NULL WHERE id = (SELECT min(id) FROM wrong.usage WHERE flag)",
    "UPDATE wrong.usage SET dec = dec + 0.000001 WHERE id = 2999",
];

/// An operator, function or aggregate with the meaning that it has elsewhere. In the schema
/// `wrong` it is found before Postgres's own.
struct Meaning {
    what: &'static str,
    sql: &'static str,
}

const WRONG_MEANINGS: [Meaning; 9] = [
    Meaning {
        what: "NaN is not greater than numbers",
        sql: "CREATE FUNCTION wrong.f(float8, float8) RETURNS boolean LANGUAGE sql IMMUTABLE AS \
                $$ SELECT $1 <> 'NaN' AND float8gt($1, $2) $$; \
              CREATE OPERATOR wrong.> (FUNCTION = wrong.f, LEFTARG = float8, RIGHTARG = float8)",
    },
    Meaning {
        what: "the greatest is not NaN",
        sql: "CREATE FUNCTION wrong.f(float8, float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS \
                $$ SELECT CASE WHEN $1 <> 'NaN' THEN greatest($1, nullif($2, 'NaN')) ELSE $2 END $$; \
              CREATE AGGREGATE wrong.max (float8) (SFUNC = wrong.f, STYPE = float8)",
    },
    Meaning {
        what: "a bigint is compared as a double",
        sql: "CREATE FUNCTION wrong.f(bigint, bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS \
                $$ SELECT $1::float8 = $2::float8 $$; \
              CREATE OPERATOR wrong.= (FUNCTION = wrong.f, LEFTARG = bigint, RIGHTARG = bigint)",
    },
    Meaning {
        what: "a sum of bigint overflows",
        sql: "CREATE FUNCTION wrong.f(numeric, bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS \
                $$ SELECT mod(coalesce($1, 0) + coalesce($2, 0), 9223372036854775808) $$; \
              CREATE AGGREGATE wrong.sum (bigint) (SFUNC = wrong.f, STYPE = numeric)",
    },
    Meaning {
        what: "the sum of nothing is 0",
        sql: "CREATE FUNCTION wrong.f(bigint, integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS \
                $$ SELECT $1 + coalesce($2, 0) $$; \
              CREATE AGGREGATE wrong.sum (integer) \
                (SFUNC = wrong.f, STYPE = bigint, INITCOND = '0')",
    },
    Meaning {
        what: "trailing spaces do not count",
        sql: "CREATE FUNCTION wrong.f(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS \
                $$ SELECT texteq(rtrim($1), rtrim($2)) $$; \
              CREATE OPERATOR wrong.= (FUNCTION = wrong.f, LEFTARG = text, RIGHTARG = text)",
    },
    Meaning {
        what: "LIKE knows no escapes",
        sql: "CREATE FUNCTION wrong.f(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS \
                $$ SELECT textlike($1, like_escape($2, '')) $$; \
              CREATE OPERATOR wrong.~~ (FUNCTION = wrong.f, LEFTARG = text, RIGHTARG = text)",
    },
    Meaning {
        what: "before 1970 times are cut upwards",
        sql: "CREATE FUNCTION wrong.date_trunc(text, timestamp) RETURNS timestamp \
                LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.date_trunc($1, $2) + \
                CASE WHEN $2 < '1970-01-01' AND $1 = 'hour' THEN interval '1 hour' ELSE '0' END $$",
    },
    Meaning {
        what: "a time is compared with a day by its own day",
        sql: "CREATE FUNCTION wrong.f(timestamp, date) RETURNS boolean LANGUAGE sql IMMUTABLE AS \
                $$ SELECT $1::date <= $2 $$; \
              CREATE OPERATOR wrong.<= (FUNCTION = wrong.f, LEFTARG = timestamp, RIGHTARG = date)",
    },
];

pub fn one_wrong_cell_is_noticed(env: &Env) -> Result<()> {
    let mut session = Session::open(env, "pushdown_cells")?;
    for change in WRONG_CELLS {
        make_wrong(&mut session, change)?;
        let noticed = notices(&mut session, "wrong")?;
        assert!(noticed, "no query of {SEEDS} notices {change}");
    }
    Ok(())
}

pub fn one_wrong_meaning_is_noticed(env: &Env) -> Result<()> {
    let mut session = Session::open(env, "pushdown_meanings")?;
    for Meaning { what, sql } in WRONG_MEANINGS {
        make_wrong(&mut session, sql)?;
        let noticed = notices(&mut session, "wrong, pg_catalog")?;
        assert!(noticed, "no query of {SEEDS} notices that {what}");
    }
    Ok(())
}

/// A copy of the heap in the schema `wrong`, with something wrong there.
fn make_wrong(session: &mut Session<'_>, change: &str) -> Result<()> {
    session.client.batch_execute("RESET search_path")?;
    Ok(session.client.batch_execute(&format!(
        "DROP SCHEMA IF EXISTS wrong CASCADE; CREATE SCHEMA wrong; \
         CREATE TABLE wrong.usage (LIKE {HEAP}.usage); \
         INSERT INTO wrong.usage SELECT * FROM {HEAP}.usage; \
         {change}"
    ))?)
}

/// Whether a query has another answer with this search path than in the heap. Errors do not
/// count: they would hide what is not noticed otherwise.
fn notices(session: &mut Session<'_>, path: &str) -> Result<bool> {
    for seed in 0..SEEDS {
        let query = session.query(seed);
        let answered = session.compare(&query, HEAP, path)?;
        if answered.answer.is_ok() && !answered.differences.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
