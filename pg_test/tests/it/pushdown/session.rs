//! A connection that asks the queries, and says what it found.

use super::compare::{Answer, ask, difference, says_something, shown};
use super::grammar;
use super::query::Query;
use super::table::{FOREIGN, Table};
use crate::env::{Env, number};
use pg_test::Result;
use postgres::Client;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const QUERIES: u64 = 400;
const SEED: u64 = 1;

/// After so many differences the rest would tell nothing new.
const DIFFERENCES: usize = 10;
const RECOVERY_LIMIT: Duration = Duration::from_secs(30);

/// A scan that hangs is an error, and errors of this class are differences.
const TIMEOUT: &str = "SET statement_timeout = '60s'";

/// A connection to a database with the table.
pub struct Session<'e> {
    env: &'e Env,
    database: &'static str,
    pub client: Client,
    pub has_pushdown: bool,
    table: Table,
}

/// What became of a query.
pub struct Answered {
    /// The right answer.
    pub answer: Answer,
    /// How the others differ from it.
    pub differences: Vec<String>,
}

impl Answered {
    /// The connection broke, most likely with the server process behind it.
    fn lost(error: &dyn std::error::Error) -> Self {
        Answered {
            answer: Err(("none".to_owned(), error.to_string())),
            differences: vec!["the connection was lost".to_owned()],
        }
    }
}

/// How the queries went.
#[derive(Default)]
pub struct Asked {
    pub queries: u64,
    different: usize,
    /// Those with an answer other than nothing, NULL or 0.
    telling: u64,
    /// Each message of an error, and how often.
    errors: BTreeMap<(String, String), u64>,
}

impl Asked {
    /// Whether there were enough to expect of them what is true of most.
    pub fn is_a_sample(&self) -> bool {
        self.queries >= 100
    }

    fn count(&mut self, answer: &Answer) {
        self.queries += 1;
        self.telling += u64::from(says_something(answer));
        if let Err(error) = answer {
            *self.errors.entry(error.clone()).or_default() += 1;
        }
    }

    fn print(&self) {
        eprintln!(
            "  {} queries, {} with an answer other than nothing",
            self.queries, self.telling
        );
        for ((code, message), count) in &self.errors {
            eprintln!("  {count} with error {code}, {message}");
        }
    }

    /// Fails unless all answers were the same, and most of them answers.
    pub fn assert_same(&self) {
        assert_eq!(self.different, 0, "queries with another answer (see above)");
        if self.is_a_sample() {
            let errors: u64 = self.errors.values().sum();
            assert!(errors * 10 <= self.queries, "{errors} are errors");
            assert!(
                self.telling * 2 >= self.queries,
                "{} answers only",
                self.telling
            );
        }
    }
}

impl<'e> Session<'e> {
    pub fn open(env: &'e Env, database: &'static str) -> Result<Self> {
        let mut client = env.database_with_extension(database)?;
        let table = Table::make(env, &mut client)?;
        client.batch_execute(TIMEOUT)?;
        // Not by setting it: Postgres takes any setting with a prefix, if no one reserved that.
        let has_pushdown = client
            .query_one(
                "SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'cur_fdw.enable_pushdown')",
                &[],
            )?
            .get(0);
        Ok(Session {
            env,
            database,
            client,
            has_pushdown,
            table,
        })
    }

    /// The query that follows from a seed.
    pub fn query(&self, seed: u64) -> Query {
        grammar::query(&self.table, seed)
    }

    /// Hands the queries to `answer`, one after the other, and prints those with differences.
    pub fn for_each_query(
        &mut self,
        mut answer: impl FnMut(&mut Self, &Query) -> Result<Answered>,
    ) -> Result<Asked> {
        let queries = number("CUR_FDW_QUERIES", QUERIES)?;
        let first = number("CUR_FDW_SEED", SEED)?;
        eprintln!("{queries} queries from CUR_FDW_SEED={first} on");
        let mut asked = Asked::default();
        let began = Instant::now();
        for seed in first..first + queries {
            let query = self.query(seed);
            let answered = match answer(self, &query) {
                Err(error) if self.client.is_closed() => Answered::lost(&*error),
                answered => answered.inspect_err(|_| print_query(seed, &query))?,
            };
            asked.count(&answered.answer);
            if !answered.differences.is_empty() {
                print_query(seed, &query);
                self.print_differences(&query, &answered)?;
                asked.different += 1;
            }
            if asked.different == DIFFERENCES {
                break;
            }
        }
        eprintln!("  {:.1} s", began.elapsed().as_secs_f64());
        asked.print();
        Ok(asked)
    }

    fn print_differences(&mut self, query: &Query, answered: &Answered) -> Result<()> {
        eprintln!("  answer: {}", shown(&answered.answer));
        for difference in &answered.differences {
            eprintln!("  {difference}");
        }
        if self.client.is_closed() {
            self.reconnect()?;
        }
        self.set(query, FOREIGN, true)?;
        let plan = self.explain(query).unwrap_or_else(|error| error);
        eprintln!("  {plan}\n");
        Ok(())
    }

    /// A new connection, once the server has recovered from the crash of the last one.
    fn reconnect(&mut self) -> Result<()> {
        let began = Instant::now();
        self.client = loop {
            match self.env.cluster.client(self.database) {
                Ok(client) => break client,
                Err(error) if began.elapsed() > RECOVERY_LIMIT => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        let log = self.env.cluster.log()?;
        let crash = log.lines().rfind(|line| line.contains("was terminated by"));
        eprintln!("  {}", crash.unwrap_or("the server logged no crash"));
        Ok(self.client.batch_execute(TIMEOUT)?)
    }

    /// Asks the tables of two schemas; the first has the right answer.
    pub fn compare(&mut self, query: &Query, right: &str, other: &str) -> Result<Answered> {
        self.set(query, right, true)?;
        let answer = self.ask(&query.inline(0));
        self.set(query, other, true)?;
        let found = self.ask(&query.inline(0));
        let differences = difference(&query.outputs, query.ordered, &answer, &found);
        Ok(Answered {
            answer,
            differences: differences.into_iter().collect(),
        })
    }

    /// Prepares the session for a query of the table in a schema.
    pub fn set(&mut self, query: &Query, schema: &str, pushdown: bool) -> Result<()> {
        let mut settings = format!(
            "SET search_path = {schema}, public; SET TimeZone = '{}'",
            query.time_zone
        );
        if self.has_pushdown {
            settings += &format!("; SET cur_fdw.enable_pushdown = {pushdown}");
        }
        Ok(self.client.batch_execute(&settings)?)
    }

    pub fn ask(&mut self, sql: &str) -> Answer {
        ask(&mut self.client, sql)
    }

    /// Executes it prepared with one set of constants, then with the other: a plan that kept
    /// anything of the first would show. Returns the way, the set, and the answer.
    pub fn ask_prepared(&mut self, query: &Query) -> Result<Vec<(&'static str, usize, Answer)>> {
        let mode = match query.template.len() % 2 {
            0 => "force_generic_plan",
            _ => "force_custom_plan",
        };
        self.client
            .batch_execute(&format!("SET plan_cache_mode = {mode}"))?;
        if let Err(error) = self.ask(&query.prepare()) {
            return Ok(vec![("PREPARE", 0, Err(error))]);
        }
        let answers = [0, 1].map(|set| (mode, set, self.ask(&query.execute(set))));
        self.client
            .batch_execute("DEALLOCATE q; RESET plan_cache_mode")?;
        Ok(answers.into())
    }

    /// The plan, or why there is none.
    pub fn explain(&mut self, query: &Query) -> Result<String, String> {
        let explain = format!("EXPLAIN (VERBOSE, COSTS OFF) {}", query.inline(0));
        let rows = self
            .ask(&explain)
            .map_err(|(code, message)| format!("EXPLAIN: error {code}: {message}"))?;
        let lines: Vec<String> = rows.into_iter().flatten().flatten().collect();
        Ok(lines.join("\n  "))
    }
}

/// Before anything is asked about it, for the server may be gone.
fn print_query(seed: u64, query: &Query) {
    eprintln!(
        "\nCUR_FDW_SEED={seed} CUR_FDW_QUERIES=1, TimeZone {}\n  {}",
        query.time_zone,
        query.inline(0)
    );
}
