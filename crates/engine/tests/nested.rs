//! Parquet files with maps, lists and structs, as CUR 2.0, FOCUS and BigQuery's exports have them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Float64Array, ListArray, MapArray, MapBuilder, RecordBatch, StringArray, StringBuilder,
    StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field as ArrowField, Fields};
use arrow::util::display::array_value_to_string;
use billing::{BillingPeriod, FileKind, Object};
use engine::{
    Aggregate, Comparison, Delivery, Engine, Error, Expr, Field, Footer, Function, Kind, Query,
    Request, Scan, Shape, Source, Value, sql_type,
};
use parquet::arrow::ArrowWriter;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use store::{Location, Network, Store};

struct Bench {
    engine: Engine,
    store: Store,
    file: Object,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new(columns: Vec<(&str, ArrayRef)>) -> Self {
        Self::of(&written(columns))
    }

    /// A bucket with one file of these bytes.
    fn of(bytes: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.parquet"), bytes).unwrap();
        let location = Location::File {
            directory: directory.path().to_owned(),
        };
        let engine = Engine::start(2, 64 << 20, None).unwrap();
        let store = Store::open(location, None, &Network::default()).unwrap();
        let listing = store.clone();
        let listed = engine.run(async move { Ok(listing.list("").await?) }, || {});
        Self {
            engine,
            store,
            file: listed.unwrap().remove(0),
            _directory: directory,
        }
    }

    fn columns(&self) -> Vec<String> {
        let (store, file) = (self.store.clone(), self.file.clone());
        let footer = self.engine.run(
            async move { Footer::of(&store, &file, FileKind::Parquet).await },
            || {},
        );
        let columns = footer.unwrap().columns.into_iter();
        let described = columns.map(|c| {
            let data_type = sql_type(&c.data_type).unwrap_or("none".to_owned());
            format!("{} {data_type}", c.name)
        });
        described.collect()
    }

    fn ask(&self, query: Query, values: Vec<Value>) -> Result<Vec<Vec<String>>, Error> {
        let request = Request {
            query,
            values,
            limit: None,
            deliveries: vec![Delivery {
                period: BillingPeriod::new(2025, 9).unwrap(),
                manifest_id: None,
                declared: None,
                files: vec![self.file.clone()],
            }],
            concurrency: 2,
        };
        let mut scan = Scan::start(&self.engine, &self.store, request);
        let mut rows = Vec::new();
        while let Some(batch) = scan.next(|| {})? {
            for row in 0..batch.num_rows() {
                let cell = |column: &ArrayRef| match column.is_null(row) {
                    true => "~".to_owned(),
                    false => array_value_to_string(column, row).unwrap(),
                };
                rows.push(batch.columns().iter().map(cell).collect());
            }
        }
        Ok(rows)
    }

    /// One column of all rows.
    fn column(&self, name: &str, kind: Kind) -> Vec<String> {
        let rows = self.ask(Query::of(vec![field(name, kind)]), vec![]);
        rows.unwrap().into_iter().flatten().collect()
    }
}

fn written(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let columns = columns
        .into_iter()
        .map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn field(name: &str, kind: Kind) -> Field {
    Field {
        source: Source::File(name.to_owned()),
        kind,
    }
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn tags() -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    builder.keys().append_value("user_project");
    builder.values().append_value("it \"is\"\n");
    builder.keys().append_value("none");
    builder.values().append_null();
    builder.append(true).unwrap();
    builder.append(true).unwrap();
    builder.append(false).unwrap();
    Arc::new(builder.finish())
}

fn structs(parts: Vec<(&str, ArrayRef)>, nulls: Option<NullBuffer>) -> StructArray {
    let fields = parts
        .iter()
        .map(|(name, part)| ArrowField::new(*name, part.data_type().clone(), true));
    let fields: Fields = fields.collect();
    StructArray::new(
        fields,
        parts.into_iter().map(|(_, part)| part).collect(),
        nulls,
    )
}

fn lists(of: StructArray, lengths: [usize; 3]) -> ArrayRef {
    let item = Arc::new(ArrowField::new("element", of.data_type().clone(), true));
    let nulls = NullBuffer::from(vec![true, true, false]);
    Arc::new(ListArray::new(
        item,
        OffsetBuffer::from_lengths(lengths),
        Arc::new(of),
        Some(nulls),
    ))
}

fn is_null(column: usize) -> Expr {
    Expr::IsNull(Box::new(Expr::Column(column)))
}

#[test]
fn a_map_is_an_object_and_a_missing_map_is_null() {
    let bench = Bench::new(vec![("tags", tags())]);
    assert_eq!(bench.columns(), ["tags jsonb"]);
    let object = r#"{"user_project":"it \"is\"\n","none":null}"#;
    assert_eq!(bench.column("tags", Kind::Jsonb), [object, "{}", "~"]);
}

#[test]
fn a_list_of_keys_and_values_is_a_map_too_and_other_lists_are_arrays() {
    let pairs = structs(
        vec![
            ("key", texts(&[Some("edp"), Some("private")])),
            ("value", Arc::new(Float64Array::from(vec![-0.5, 1e-9]))),
        ],
        None,
    );
    let credits = structs(
        vec![
            ("name", texts(&[Some("a"), None])),
            ("amount", Arc::new(Float64Array::from(vec![-1.0, -2.5]))),
        ],
        None,
    );
    let bench = Bench::new(vec![
        ("discount", lists(pairs, [2, 0, 0])),
        ("credits", lists(credits, [1, 1, 0])),
    ]);
    assert_eq!(bench.columns(), ["discount jsonb", "credits jsonb"]);
    assert_eq!(
        bench.column("discount", Kind::Jsonb),
        [r#"{"edp":-0.5,"private":1.0e-9}"#, "{}", "~"]
    );
    let arrays = [
        r#"[{"name":"a","amount":-1.0}]"#,
        r#"[{"name":null,"amount":-2.5}]"#,
        "~",
    ];
    assert_eq!(bench.column("credits", Kind::Jsonb), arrays);
}

fn google() -> Bench {
    let nulls = Some(NullBuffer::from(vec![true, true, false]));
    let service = structs(
        vec![
            ("id", texts(&[Some("24E6"), Some("5490"), Some("unseen")])),
            ("description", texts(&[Some("BigQuery"), None, None])),
        ],
        nulls.clone(),
    );
    let amount = Decimal128Array::from(vec![Some(1_500_000_000), None, Some(1)]);
    let amount = amount.with_precision_and_scale(38, 9).unwrap();
    let price = structs(
        vec![
            ("effective_price", Arc::new(amount)),
            (
                "deep",
                Arc::new(structs(
                    vec![("er", texts(&[Some("x"), Some("y"), None]))],
                    None,
                )),
            ),
        ],
        nulls.clone(),
    );
    let labels = structs(
        vec![
            ("key", texts(&[Some("env")])),
            ("value", texts(&[Some("prod")])),
        ],
        None,
    );
    let project = structs(vec![("labels", lists(labels, [1, 0, 0]))], nulls);
    Bench::new(vec![
        ("service", Arc::new(service)),
        ("price", Arc::new(price)),
        ("project", Arc::new(project)),
        (
            "usage_start_time",
            Arc::new(TimestampMicrosecondArray::from(vec![0, 1, 2]).with_timezone("UTC")),
        ),
        ("cost", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
    ])
}

#[test]
fn a_struct_is_its_leaves() {
    let bench = google();
    assert_eq!(
        bench.columns(),
        [
            "service.id text",
            "service.description text",
            "price.effective_price numeric",
            "price.deep.er text",
            "project.labels jsonb",
            "usage_start_time timestamp",
            "cost double precision",
        ]
    );
    assert_eq!(
        bench.column("service.id", Kind::Text),
        ["24E6", "5490", "~"]
    );
    assert_eq!(
        bench.column("service.description", Kind::Text),
        ["BigQuery", "~", "~"]
    );
    let price = bench.column("price.effective_price", Kind::Numeric);
    assert_eq!(price, ["1.500000000", "~", "~"]);
    assert_eq!(bench.column("price.deep.er", Kind::Text), ["x", "y", "~"]);
    assert_eq!(
        bench.column("project.labels", Kind::Jsonb),
        [r#"{"env":"prod"}"#, "{}", "~"]
    );
    // As other months spell it.
    assert_eq!(
        bench.column("service_id", Kind::Text),
        ["24E6", "5490", "~"]
    );
    assert_eq!(bench.column("service.none", Kind::Text), ["~", "~", "~"]);
    assert_eq!(bench.column("nothing.id", Kind::Text), ["~", "~", "~"]);
}

/// DataFusion's Parquet reader passes over conditions that it finds it cannot evaluate in a file.
#[test]
fn conditions_on_what_is_nested_hold() {
    let bench = google();
    let fields = || {
        vec![
            field("service.id", Kind::Text),
            field("project.labels", Kind::Jsonb),
            field("price.deep.er", Kind::Text),
            field("cost", Kind::Float8),
        ]
    };
    let costs = |filters: Vec<Expr>| {
        let query = Query {
            params: vec![Kind::Text],
            filters,
            shape: Shape::Rows(vec![3]),
            ..Query::of(fields())
        };
        let rows = bench
            .ask(query, vec![Value::Text("5490".to_owned())])
            .unwrap();
        rows.concat().join(" ")
    };
    let equals = Expr::Compare {
        comparison: Comparison::Equal,
        left: Box::new(Expr::Column(0)),
        right: Box::new(Expr::Param(0)),
    };
    assert_eq!(costs(vec![equals.clone()]), "2.0");
    assert_eq!(costs(vec![Expr::Not(Box::new(equals))]), "1.0");
    assert_eq!(costs(vec![is_null(0)]), "3.0");
    assert_eq!(costs(vec![is_null(1)]), "3.0");
    assert_eq!(costs(vec![Expr::Not(Box::new(is_null(1)))]), "1.0 2.0");
    assert_eq!(costs(vec![is_null(2)]), "3.0");
    assert_eq!(costs(vec![is_null(0), is_null(1), is_null(2)]), "3.0");

    let counted = Query {
        shape: Shape::Groups {
            keys: vec![],
            aggregates: vec![
                Aggregate {
                    function: Function::Count(Expr::Column(1)),
                    filter: None,
                },
                Aggregate {
                    function: Function::CountRows,
                    filter: Some(is_null(1)),
                },
            ],
        },
        ..Query::of(fields())
    };
    assert_eq!(bench.ask(counted, vec![]).unwrap(), [["2", "1"]]);
}

#[test]
fn maps_are_not_read_as_text_but_everything_as_json() {
    let bench = Bench::new(vec![
        ("tags", tags()),
        ("json", texts(&[Some("{}"), None, Some("[1]")])),
        (
            "number",
            Arc::new(Float64Array::from(vec![Some(0.1), None, Some(-2.0)])),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![true, false, true])),
        ),
        ("day", Arc::new(Date32Array::from(vec![20_332; 3]))),
    ]);
    let error = bench
        .ask(Query::of(vec![field("tags", Kind::Text)]), vec![])
        .unwrap_err();
    assert!(
        error.to_string().contains("column \"tags\" is jsonb in"),
        "{error}"
    );
    assert!(error.hint().ends_with("TYPE jsonb."), "{}", error.hint());
    assert_eq!(bench.column("json", Kind::Jsonb), ["{}", "~", "[1]"]);
    assert_eq!(bench.column("number", Kind::Jsonb), ["0.1", "~", "-2.0"]);
    assert_eq!(bench.column("flag", Kind::Jsonb), ["true", "false", "true"]);
    assert_eq!(bench.column("day", Kind::Jsonb), ["\"2025-09-01\""; 3]);
}

#[test]
fn text_that_is_asked_for_as_json_means_what_it_means_in_csv() {
    // Azure's tags without braces, twice; nothing; a list as Python spells it.
    let tags = r#""env":"prod","team":"a""#;
    let values = [
        Some(tags),
        Some(tags),
        Some(""),
        None,
        Some("[{'a': None}]"),
    ];
    let bench = Bench::new(vec![("Tags", texts(&values))]);
    let object = r#"{"env":"prod","team":"a"}"#;
    let expected = [object, object, "~", "~", r#"[{"a": null}]"#];
    assert_eq!(bench.column("Tags", Kind::Jsonb), expected);
    let nothing = Query {
        filters: vec![is_null(0)],
        ..Query::of(vec![field("Tags", Kind::Jsonb)])
    };
    assert_eq!(bench.ask(nothing, vec![]).unwrap(), [["~"], ["~"]]);

    let bench = Bench::new(vec![("Tags", texts(&[Some("{}"), Some("env=prod")]))]);
    let query = Query::of(vec![field("Tags", Kind::Jsonb)]);
    let error = bench.ask(query, vec![]).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::TypeMismatch { .. }), "{message}");
    assert!(message.contains("a.parquet"), "{message}");
    assert!(
        message.contains("\"env=prod\", which is no JSON,"),
        "{message}"
    );
    assert!(error.hint().contains("TYPE text"), "{}", error.hint());
}

#[test]
fn bytes_that_nobody_said_are_text_are_text_if_they_can_be() {
    let good = BinaryArray::from(vec![Some("é".as_bytes()), None]);
    let bad = BinaryArray::from(vec![Some(&b"\xff"[..]), None]);
    let bench = Bench::new(vec![("good", Arc::new(good)), ("bad", Arc::new(bad))]);
    assert_eq!(bench.columns(), ["good text", "bad text"]);
    assert_eq!(bench.column("good", Kind::Text), ["é", "~"]);
    let error = bench
        .ask(Query::of(vec![field("bad", Kind::Text)]), vec![])
        .unwrap_err();
    assert!(matches!(error, Error::BadFile { .. }), "{error}");
}

/// As writers before 2015 made lists: the repeated field is the item.
#[test]
fn lists_of_two_levels_are_arrays_too() {
    let schema = "message bill {
        optional group scopes (LIST) { repeated int32 array; }
        optional group credits (LIST) {
            repeated group credits_tuple { optional double amount; optional binary type (UTF8); }
        }
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    // Three rows: two items, none, no list.
    let repetitions = [0, 1, 0, 0];
    let mut column = group.next_column().unwrap().unwrap();
    let written = column.typed::<Int32Type>();
    written
        .write_batch(&[7, 8], Some(&[2, 2, 1, 0]), Some(&repetitions))
        .unwrap();
    column.close().unwrap();
    let definitions_of_parts = [3, 3, 1, 0];
    let mut column = group.next_column().unwrap().unwrap();
    let written = column.typed::<DoubleType>();
    written
        .write_batch(
            &[-1.5, -2.0],
            Some(&definitions_of_parts),
            Some(&repetitions),
        )
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let written = column.typed::<ByteArrayType>();
    let texts = [ByteArray::from("PROMOTION")];
    written
        .write_batch(&texts, Some(&[3, 2, 1, 0]), Some(&repetitions))
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();

    let bench = Bench::of(&writer.into_inner().unwrap());
    assert_eq!(bench.columns(), ["scopes jsonb", "credits jsonb"]);
    assert_eq!(bench.column("scopes", Kind::Jsonb), ["[7,8]", "[]", "~"]);
    let credits = r#"[{"amount":-1.5,"type":"PROMOTION"},{"amount":-2.0,"type":null}]"#;
    assert_eq!(bench.column("credits", Kind::Jsonb), [credits, "[]", "~"]);
}

#[test]
fn maps_of_what_has_no_spelling_have_no_type() {
    let keys = StringArray::from(vec!["k"]);
    let values = arrow::array::DurationSecondArray::from(vec![1]);
    let fields: Fields = vec![
        ArrowField::new("keys", DataType::Utf8, false),
        ArrowField::new("values", values.data_type().clone(), true),
    ]
    .into();
    let entries = StructArray::new(fields, vec![Arc::new(keys), Arc::new(values)], None);
    let entry = Arc::new(ArrowField::new(
        "entries",
        entries.data_type().clone(),
        false,
    ));
    let map = MapArray::new(entry, OffsetBuffer::from_lengths([1]), entries, None, false);
    assert_eq!(sql_type(map.data_type()), None);
    assert!(map.keys().as_string_opt::<i32>().is_some());
}
