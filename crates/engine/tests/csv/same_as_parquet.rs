//! A query of a CSV file gives what it gives of a Parquet file of the same rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use engine::{
    Aggregate, Comparison, Expr, Field, Function, Key, Kind, Order, OrderBy, Query, Request, Shape,
    Source, Unit, Value,
};
use parquet::arrow::ArrowWriter;

use crate::bench::{Bench, Rows, file_field, rows};

const ROWS: usize = 5000;

fn both() -> [Bench; 2] {
    let service = |n: usize| (!n.is_multiple_of(11)).then(|| format!("Amazon {}", n % 5));
    let cost = |n: usize| (!n.is_multiple_of(7)).then_some(n as f64 / 3.0);
    let start = |n: usize| 1_756_684_800_000 + n as i64 * 3_600_000;
    let numbers = 0..ROWS;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "service",
            Arc::new(StringArray::from_iter(numbers.clone().map(service))),
        ),
        (
            "cost",
            Arc::new(Float64Array::from_iter(numbers.clone().map(cost))),
        ),
        (
            "start",
            Arc::new(TimestampMillisecondArray::from_iter_values(
                numbers.clone().map(start),
            )),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let parquet = Bench::with("a.parquet", writer.into_inner().unwrap());

    let hour = |n: usize| {
        let (day, hour) = (n / 24, n % 24);
        let (month, day) = if day < 30 {
            (9, day + 1)
        } else {
            (10, day - 29)
        };
        format!("2025-{month:02}-{day:02}T{hour:02}:00:00Z")
    };
    let cell = |value: Option<String>| value.unwrap_or_default();
    let lines = numbers.map(|n| {
        let start = if n < 24 * 60 {
            hour(n)
        } else {
            later(start(n))
        };
        let cost = cost(n).map(|c| c.to_string());
        format!("{start},{},{}\n", cell(service(n)), cell(cost))
    });
    let text = "start,service,cost\n".to_owned() + &lines.collect::<String>();
    [parquet, Bench::with("a.csv", text)]
}

/// Instants beyond the two months that are spelled by hand.
fn later(milliseconds: i64) -> String {
    let array = TimestampMillisecondArray::from(vec![milliseconds]);
    arrow::util::display::array_value_to_string(&array, 0).unwrap()
}

fn fields() -> Vec<Field> {
    vec![
        file_field("service", Kind::Text),
        file_field("cost", Kind::Float8),
        file_field("start", Kind::Timestamp),
        Field {
            source: Source::BillingPeriod,
            kind: Kind::Date,
        },
    ]
}

fn column(index: usize) -> Box<Expr> {
    Box::new(Expr::Column(index))
}

fn answers(query: &Query, values: &[Value], limit: Option<usize>) -> [Rows; 2] {
    both().map(|bench| {
        let request = Request {
            values: values.to_vec(),
            limit,
            ..bench.request(query.clone())
        };
        let mut answer = rows(&bench.run(request).unwrap());
        answer.sort();
        answer
    })
}

fn check(query: Query, values: Vec<Value>, limit: Option<usize>) -> Rows {
    let [parquet, csv] = answers(&query, &values, limit);
    assert_eq!(parquet, csv);
    csv
}

#[test]
fn all_rows() {
    assert_eq!(check(Query::of(fields()), vec![], None).len(), ROWS);
}

#[test]
fn conditions() {
    let at_least = |index, param| Expr::Compare {
        comparison: Comparison::GreaterOrEqual,
        left: column(index),
        right: Box::new(Expr::Param(param)),
    };
    let query = Query {
        params: vec![Kind::Float8, Kind::Timestamp, Kind::Text],
        filters: vec![
            Expr::Or(vec![at_least(1, 0), Expr::IsNull(column(0))]),
            at_least(2, 1),
            Expr::Not(Box::new(Expr::Like {
                text: column(0),
                pattern: 2,
            })),
        ],
        ..Query::of(fields())
    };
    let values = vec![
        Value::Float(1000.0),
        Value::Timestamp(1_760_000_000_000_000),
        Value::Text("%4".to_owned()),
    ];
    assert!(check(query, values, None).len() > 100);
}

#[test]
fn groups() {
    let aggregate = |function| Aggregate {
        function,
        filter: None,
    };
    let query = Query {
        shape: Shape::Groups {
            keys: vec![
                Key {
                    expr: Expr::Column(0),
                    kind: Kind::Text,
                },
                Key {
                    expr: Expr::DateTrunc(Unit::Month, column(2)),
                    kind: Kind::Timestamp,
                },
            ],
            aggregates: vec![
                aggregate(Function::CountRows),
                aggregate(Function::SumFloat(Expr::Column(1))),
                aggregate(Function::Max(Expr::Column(2), Kind::Timestamp)),
            ],
        },
        ..Query::of(fields())
    };
    assert!(check(query, vec![], None).len() > 30);
}

#[test]
fn the_first_of_an_order() {
    let query = Query {
        order: vec![Order {
            by: OrderBy::Expr(Expr::Column(1), Kind::Float8),
            descending: true,
            nulls_first: false,
        }],
        ..Query::of(fields())
    };
    assert_eq!(check(query, vec![], Some(10)).len(), 10);
}

#[test]
fn files_of_both_kinds_are_one_table() {
    let [parquet, csv] = both();
    let bytes = std::fs::read(csv.path().join("a.csv")).unwrap();
    parquet.write("b.csv", bytes);
    let query = Query {
        shape: Shape::Groups {
            keys: vec![],
            aggregates: vec![Aggregate {
                function: Function::CountRows,
                filter: None,
            }],
        },
        ..Query::of(fields())
    };
    let answer = rows(&parquet.run(parquet.request(query)).unwrap());
    assert_eq!(answer, [[Some((2 * ROWS).to_string())]]);
    let all = parquet.run(parquet.request(Query::of(fields()))).unwrap();
    assert_eq!(rows(&all).len(), 2 * ROWS);
}
