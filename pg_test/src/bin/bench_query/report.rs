//! The figures: a table, the geometric mean, and the targets.

use pg_test::questions::Question;

/// The slowest a query may be, in DuckDB's time.
const SLOWEST: f64 = 2.0;
/// What the geometric mean of that may be.
const GEOMETRIC_MEAN: f64 = 1.5;
/// How much faster than a heap table an aggregate must be.
const HEAP: f64 = 5.0;

/// The times of one query in milliseconds, medians.
pub struct Line<'a> {
    pub number: usize,
    pub question: &'a Question,
    pub ours: f64,
    pub duckdb: f64,
    /// None without a heap table.
    pub heap: Option<f64>,
}

impl Line<'_> {
    fn to_duckdb(&self) -> f64 {
        self.ours / self.duckdb
    }

    fn heap_to_ours(&self) -> Option<f64> {
        self.heap.map(|heap| heap / self.ours)
    }
}

/// Prints the table.
pub fn print(lines: &[Line<'_>]) {
    println!("| query | cur_fdw, ms | DuckDB, ms | heap, ms | cur_fdw / DuckDB | heap / cur_fdw |");
    println!("|---|---|---|---|---|---|");
    for line in lines {
        let or_dash = |value: Option<f64>| value.map_or("–".to_owned(), |v| format!("{v:.1}"));
        println!(
            "| {} {} | {:.1} | {:.1} | {} | {:.2} | {} |",
            line.number,
            line.question.name,
            line.ours,
            line.duckdb,
            or_dash(line.heap),
            line.to_duckdb(),
            or_dash(line.heap_to_ours()),
        );
    }
    println!(
        "\ngeometric mean of cur_fdw / DuckDB: {:.2}",
        geometric_mean(lines)
    );
}

/// The targets that the figures miss, in words.
pub fn missed(lines: &[Line<'_>]) -> Vec<String> {
    let mut missed = Vec::new();
    for line in lines {
        let name = line.question.name;
        let ratio = line.to_duckdb();
        if ratio > SLOWEST {
            missed.push(format!("{name}: {ratio:.2} x DuckDB, at most {SLOWEST}"));
        }
        if let Some(ratio) = line.heap_to_ours()
            && line.question.aggregates()
            && ratio < HEAP
        {
            missed.push(format!(
                "{name}: {ratio:.1} x faster than a heap table, at least {HEAP}"
            ));
        }
    }
    let mean = geometric_mean(lines);
    if mean > GEOMETRIC_MEAN {
        missed.push(format!(
            "geometric mean {mean:.2} x DuckDB, at most {GEOMETRIC_MEAN}"
        ));
    }
    missed
}

fn geometric_mean(lines: &[Line<'_>]) -> f64 {
    let logs: f64 = lines.iter().map(|line| line.to_duckdb().ln()).sum();
    (logs / lines.len() as f64).exp()
}
