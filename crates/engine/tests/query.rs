//! Queries over real Parquet files: what is computed while reading means what Postgres means.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, StringViewArray,
    TimestampMillisecondArray,
};
use engine::{
    Aggregate, Bill, Comparison, Delivery, Engine, Error, Expr, Field, Function, Key, Kind, Order,
    OrderBy, Query, Raised, Request, Scan, Shape, Source, Unit, Value,
};
use parquet::arrow::ArrowWriter;
use store::{Location, Network, Store};

const PREFIX: &str = "cur/Report";

struct Bench {
    engine: Engine,
    store: Store,
    deliveries: Vec<Delivery>,
    _directory: tempfile::TempDir,
}

impl Bench {
    /// A month of one file with these columns.
    fn new(columns: Vec<(&str, ArrayRef)>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), columns);
        let engine = Engine::start(2, 64 << 20, None).unwrap();
        let location = Location::File {
            directory: directory.path().to_owned(),
        };
        let store = Store::open(location, None, &Network::default()).unwrap();
        let reading = store.clone();
        let deliveries = async move {
            let bill = Bill::find(&reading, PREFIX).await?;
            Ok(vec![bill.delivery(bill.newest()?).await?])
        };
        let deliveries = engine.run(deliveries, || {}).unwrap();
        Self {
            engine,
            store,
            deliveries,
            _directory: directory,
        }
    }

    fn ask(&self, query: Query, values: Vec<Value>) -> Result<Vec<RecordBatch>, Error> {
        self.ask_for(query, values, None)
    }

    fn ask_for(
        &self,
        query: Query,
        values: Vec<Value>,
        limit: Option<usize>,
    ) -> Result<Vec<RecordBatch>, Error> {
        let request = Request {
            query,
            values,
            limit,
            deliveries: self.deliveries.clone(),
            concurrency: 2,
        };
        let mut scan = Scan::start(&self.engine, &self.store, request);
        let mut batches = Vec::new();
        while let Some(batch) = scan.next(|| {})? {
            batches.push(batch);
        }
        Ok(batches)
    }

    /// How many rows meet a condition.
    fn count(&self, columns: Vec<Field>, params: Vec<(Kind, Value)>, filter: Expr) -> usize {
        let (kinds, values) = params.into_iter().unzip();
        let query = Query {
            params: kinds,
            filters: vec![filter],
            ..Query::of(columns)
        };
        rows(&self.ask(query, values).unwrap())
    }
}

fn write(directory: &Path, columns: Vec<(&str, ArrayRef)>) {
    let folder = directory.join("cur/Report/Report/year=2025/month=9");
    std::fs::create_dir_all(&folder).unwrap();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(folder.join("a.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

fn field(name: &str, kind: Kind) -> Field {
    Field {
        source: Source::File(name.to_owned()),
        kind,
    }
}

fn compare(comparison: Comparison, left: Expr, right: Expr) -> Expr {
    Expr::Compare {
        comparison,
        left: Box::new(left),
        right: Box::new(right),
    }
}

const FIRST: Expr = Expr::Column(0);
const VALUE: Expr = Expr::Param(0);

#[test]
fn floats_compare_as_in_postgres_whatever_their_bits() {
    let negative_nan = f64::from_bits(0xfff8_0000_0000_0000);
    let floats = vec![-0.0, 0.0, 1.0, f64::NAN, negative_nan, f64::INFINITY];
    let bench = Bench::new(vec![("x", Arc::new(Float64Array::from(floats)))]);
    let count = |comparison, value| {
        bench.count(
            vec![field("x", Kind::Float8)],
            vec![(Kind::Float8, Value::Float(value))],
            compare(comparison, FIRST, VALUE),
        )
    };
    assert_eq!(count(Comparison::Equal, 0.0), 2, "both zeros");
    assert_eq!(count(Comparison::Equal, -0.0), 2, "both zeros");
    assert_eq!(count(Comparison::Less, 0.0), 0, "-0 is not less");
    assert_eq!(count(Comparison::Greater, 1.0), 3, "NaN is the greatest");
    assert_eq!(count(Comparison::Equal, f64::NAN), 2, "all NaN are equal");
    assert_eq!(count(Comparison::LessOrEqual, f64::NAN), 6);
}

#[test]
fn a_constant_between_two_milliseconds_is_not_rounded() {
    let times = vec![-2, -1, 0, 1];
    let times = TimestampMillisecondArray::from(times);
    let bench = Bench::new(vec![("t", Arc::new(times) as ArrayRef)]);
    let count = |comparison, microseconds| {
        bench.count(
            vec![field("t", Kind::Timestamp)],
            vec![(Kind::Timestamp, Value::Timestamp(microseconds))],
            compare(comparison, FIRST, VALUE),
        )
    };
    assert_eq!(count(Comparison::LessOrEqual, -1), 2);
    assert_eq!(count(Comparison::Less, -999), 2);
    assert_eq!(count(Comparison::Greater, -1), 2);
    assert_eq!(count(Comparison::GreaterOrEqual, 1), 1);
    assert_eq!(count(Comparison::Equal, -1), 0);
    assert_eq!(count(Comparison::Equal, -1000), 1);
    assert_eq!(count(Comparison::NotEqual, -1), 4);
}

#[test]
fn null_in_a_list_is_unknown_and_an_empty_list_matches_nothing() {
    let texts = StringArray::from(vec![Some("a"), Some("b"), None]);
    let bench = Bench::new(vec![("x", Arc::new(texts))]);
    let any = || Expr::AnyOf {
        value: Box::new(FIRST),
        list: 0,
    };
    let count = |list: Value, filter: Expr| {
        bench.count(
            vec![field("x", Kind::Text)],
            vec![(Kind::Text, list)],
            filter,
        )
    };
    let not = |e: Expr| Expr::Not(Box::new(e));
    let list = |elements: Vec<Value>| Value::List(elements);
    let a = || Value::Text("a".to_owned());
    assert_eq!(count(list(vec![a(), Value::Null]), any()), 1);
    assert_eq!(count(list(vec![a(), Value::Null]), not(any())), 0);
    assert_eq!(count(list(vec![a()]), not(any())), 1);
    assert_eq!(count(list(vec![]), any()), 0);
    assert_eq!(count(list(vec![]), not(any())), 3, "even NULL");
    assert_eq!(count(Value::Null, not(any())), 0);
}

#[test]
fn groups_keep_null_apart_and_no_rows_are_one_group_without_keys() {
    let names = StringArray::from(vec![Some("a"), None, Some("a"), Some("")]);
    let costs = Float64Array::from(vec![Some(1.5), Some(2.0), None, None]);
    let bench = Bench::new(vec![
        ("name", Arc::new(names) as ArrayRef),
        ("cost", Arc::new(costs)),
    ]);
    let sum = Aggregate {
        function: Function::SumFloat(Expr::Column(1)),
        filter: None,
    };
    let columns = vec![field("name", Kind::Text), field("cost", Kind::Float8)];
    let by_name = Query {
        shape: Shape::Groups {
            keys: vec![Key {
                expr: FIRST,
                kind: Kind::Text,
            }],
            aggregates: vec![sum.clone()],
        },
        order: vec![Order {
            by: OrderBy::Output(1),
            descending: true,
            nulls_first: false,
        }],
        ..Query::of(columns.clone())
    };
    let batches = bench.ask_for(by_name, vec![], Some(2)).unwrap();
    let batch = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let names: &StringViewArray = batch.column(0).as_any().downcast_ref().unwrap();
    let costs: &Float64Array = batch.column(1).as_any().downcast_ref().unwrap();
    assert_eq!(
        (names.len(), names.is_null(0), names.value(1)),
        (2, true, "a")
    );
    assert_eq!(costs.values(), &[2.0, 1.5]);

    let nothing = Query {
        filters: vec![Expr::Or(vec![])],
        shape: Shape::Groups {
            keys: vec![],
            aggregates: vec![sum],
        },
        ..Query::of(columns)
    };
    let batches = bench.ask(nothing, vec![]).unwrap();
    assert_eq!(rows(&batches), 1);
    assert!(
        batches
            .iter()
            .find(|b| b.num_rows() == 1)
            .unwrap()
            .column(0)
            .is_null(0)
    );
}

#[test]
fn an_error_of_a_filter_keeps_its_meaning_although_the_reader_keeps_only_its_text() {
    let first = -210_866_803_200_000;
    let times = TimestampMillisecondArray::from(vec![first]);
    let bench = Bench::new(vec![("t", Arc::new(times) as ArrayRef)]);
    let truncated = Expr::DateTrunc(Unit::Year, Box::new(FIRST));
    let query = Query {
        params: vec![Kind::Timestamp],
        filters: vec![compare(Comparison::Less, truncated, VALUE)],
        ..Query::of(vec![field("t", Kind::Timestamp)])
    };
    let error = bench.ask(query, vec![Value::Timestamp(0)]).unwrap_err();
    assert!(
        matches!(error, Error::Raised(Raised::TimestampOutOfRange)),
        "{error}"
    );
}

#[test]
fn one_column_may_be_read_in_two_types() {
    let numbers = Int64Array::from(vec![1, 2, 3]);
    let bench = Bench::new(vec![("n", Arc::new(numbers))]);
    let query = Query::of(vec![field("n", Kind::Int8), field("n", Kind::Text)]);
    let batches = bench.ask(query, vec![]).unwrap();
    let texts: &StringViewArray = batches[0].column(1).as_any().downcast_ref().unwrap();
    assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), ["1", "2", "3"]);
}

#[test]
fn no_timestamp_of_a_file_is_infinity() {
    let times = vec![Some(i64::MAX), None, Some(0)];
    let times = arrow::array::TimestampMicrosecondArray::from(times);
    let bench = Bench::new(vec![("t", Arc::new(times) as ArrayRef)]);
    let count = |value: Value, filter: Expr| {
        let columns = vec![field("t", Kind::Timestamp)];
        bench.count(columns, vec![(Kind::Timestamp, value)], filter)
    };
    let infinity = || Value::Later;
    assert_eq!(
        count(infinity(), compare(Comparison::Equal, FIRST, VALUE)),
        0
    );
    assert_eq!(
        count(infinity(), compare(Comparison::Less, FIRST, VALUE)),
        2
    );
    assert_eq!(
        count(infinity(), compare(Comparison::Less, VALUE, FIRST)),
        0
    );
    // But the last instant of a file is one.
    let last = || Value::Timestamp(i64::MAX);
    assert_eq!(count(last(), compare(Comparison::Equal, FIRST, VALUE)), 1);
    assert_eq!(count(last(), compare(Comparison::Less, FIRST, VALUE)), 1);
    let any = Expr::AnyOf {
        value: Box::new(FIRST),
        list: 0,
    };
    let list = || Value::List(vec![infinity(), Value::Timestamp(0)]);
    assert_eq!(count(list(), any.clone()), 1);
    assert_eq!(count(list(), Expr::Not(Box::new(any))), 1);
}
