//! What the benchmarks have in common.

use crate::s3::Gateway;
use crate::{Error, Result};
use postgres::Client;
use std::time::Instant;

/// The command line, read one argument after the other.
pub struct Arguments {
    rest: std::vec::IntoIter<String>,
    help: &'static str,
}

impl Arguments {
    /// Those of this process; errors show `help`.
    pub fn of_process(help: &'static str) -> Self {
        let all: Vec<String> = std::env::args().skip(1).collect();
        Arguments {
            rest: all.into_iter(),
            help,
        }
    }

    /// The number above 0 that comes next.
    pub fn number(&mut self) -> Result<usize> {
        let value = self.rest.next().unwrap_or_default();
        match value.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(self.wrong(&format!("{value:?} is not a number above 0"))),
        }
    }

    /// An error that shows all arguments there are.
    pub fn wrong(&self, why: &str) -> Error {
        format!("{why}\n\n{}", self.help).into()
    }
}

impl Iterator for Arguments {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.rest.next()
    }
}

/// The seconds that a statement takes: planning, running, and fetching all rows.
pub fn timed(client: &mut Client, sql: &str) -> Result<f64> {
    let started = Instant::now();
    client.simple_query(sql)?;
    Ok(started.elapsed().as_secs_f64())
}

/// The middle value, or the larger one of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2);
    *middle.expect("there is a round at least")
}

/// The statements that make a server over a bucket, and the current user's mapping.
pub fn server(name: &str, bucket: &str, gateway: &Gateway) -> String {
    format!(
        "CREATE SERVER {name} FOREIGN DATA WRAPPER cur_fdw
           OPTIONS (url 's3://{bucket}', endpoint '{}', allow_http 'true');
         CREATE USER MAPPING FOR CURRENT_USER SERVER {name}
           OPTIONS (access_key_id '{}', secret_access_key '{}');",
        gateway.endpoint(),
        gateway.access_key(),
        gateway.secret_key(),
    )
}
