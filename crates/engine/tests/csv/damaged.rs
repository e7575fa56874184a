//! Records that are not as they should be.

use engine::{Error, Kind, Problem};

use crate::bench::Bench;

/// Line and problem of a file with typed columns.
fn problem(text: impl AsRef<[u8]>) -> (u64, Problem) {
    let bench = Bench::with("bad.csv", text);
    bench.write("a.csv", "day,cost,name\n2025-09-01,1,n\n");
    let fields = [
        ("day", Kind::Date),
        ("cost", Kind::Float8),
        ("name", Kind::Text),
    ];
    match bench.rows(&fields) {
        Err(Error::Malformed(malformed)) => {
            assert_eq!(malformed.file, bench.store.object_name("bad.csv"));
            assert!(!malformed.hint().is_empty());
            (malformed.line, malformed.problem)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_that_is_none_of_its_type_is_named() {
    let value = |column: &str, value: &str, wanted| Problem::Value {
        column: column.to_owned(),
        value: value.to_owned(),
        wanted,
    };
    assert_eq!(
        problem("day,cost,name\n2025-09-01,\"1,5\",x\n"),
        (2, value("cost", "1,5", "double precision"))
    );
    assert_eq!(
        problem("name,day,cost\n\"two\nlines\",,1\nx,01.09.2025,1\n"),
        (4, value("day", "01.09.2025", "date"))
    );
    let long = format!(
        "day,cost,name\n,{},x\n",
        "é\n".repeat(100).replace('\n', "!")
    );
    let (line, Problem::Value { value, .. }) = problem(long) else {
        panic!("another problem");
    };
    assert_eq!((line, value.chars().count()), (2, 61));
}

#[test]
fn records_of_another_width_are_refused() {
    let count = |found, more| Problem::FieldCount {
        found,
        more,
        wanted: 3,
    };
    assert_eq!(problem("day,cost,name\n,1\n"), (2, count(2, false)));
    assert_eq!(problem("day,cost,name\n,1,a,b\n"), (2, count(4, false)));
    assert_eq!(
        problem("day,cost,name\n,1,a\n,1,a,b,c\n"),
        (3, count(4, true))
    );
    assert_eq!(problem("day,cost,name\n,1,a\n,1"), (3, count(2, false)));
}

#[test]
fn a_quote_that_is_not_closed_is_told_from_a_long_value() {
    assert_eq!(
        problem("day,cost,name\n,1,\"a\n,1,b\n"),
        (2, Problem::OpenQuote)
    );
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let wanted = Problem::NotUtf8 {
        column: "name".to_owned(),
        value: "caf\u{fffd}".to_owned(),
    };
    assert_eq!(problem(b"day,cost,name\n,1,ok\n,1,caf\xe9\n"), (3, wanted));
}

#[test]
fn a_file_that_was_replaced_since_it_was_listed_is_not_read() {
    let bench = Bench::with("a.csv", "x\n1\n");
    let request = bench.request(engine::Query::of(vec![crate::bench::file_field(
        "x",
        Kind::Text,
    )]));
    bench.write("a.csv", "x\n1\n2\n");
    let error = bench.run(request).unwrap_err();
    assert!(
        matches!(error, Error::Store(store::Error::Changed { .. })),
        "{error}"
    );
}
