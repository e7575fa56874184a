//! Headers and cells as exporters write them.

use engine::Kind;

use crate::bench::{Bench, row};

#[test]
fn a_month_of_files_with_differing_headers_is_one_table() {
    let bench = Bench::with("a.csv", "x,y\n1,2\n");
    bench.write("b.csv", "y,z,x\n4,5,3\n");
    bench.write("c.csv", "");
    bench.write("d.csv", "y,x\n");
    bench.write("e.csv", "\u{feff}\"x\",y\r\n6,7\r\n");
    bench.write("f.csv", "y,x\r\n\r\n9,8");
    let wanted = [
        row(&["1", "2", "~"]),
        row(&["3", "4", "5"]),
        row(&["6", "7", "~"]),
        row(&["8", "9", "~"]),
    ];
    assert_eq!(bench.texts(&["x", "y", "z"]).unwrap(), wanted);
    let only_absent = bench.texts(&["z"]).unwrap();
    assert_eq!(only_absent, ["~", "5", "~", "~"].map(|cell| row(&[cell])));
    assert_eq!(bench.texts(&["nowhere"]).unwrap(), vec![row(&["~"]); 4]);
}

#[test]
fn a_month_may_spell_its_columns_otherwise() {
    let bench = Bench::with("a.csv", "lineItem/UsageType,x\n1,2\n");
    bench.write("b.csv", "line_item_usage_type,x\n3,4\n");
    bench.write("c.csv", "x,lineitem_usagetype,lineItem/UsageType\n6,7,5\n");
    let wanted = [row(&["1"]), row(&["3"]), row(&["5"])];
    assert_eq!(bench.texts(&["lineItem/UsageType"]).unwrap(), wanted);
}

#[test]
fn rows_without_columns_are_counted() {
    let bench = Bench::with("a.csv", "x,y\n1,2\n3,4\n,\n");
    let counted = bench.run(bench.request(engine::Query::of(Vec::new())));
    let rows: usize = counted.unwrap().iter().map(|b| b.num_rows()).sum();
    assert_eq!(rows, 3);
}

#[test]
fn columns_of_one_name_can_both_be_read() {
    let bench = Bench::with("a.csv", "x,x,y,x\n1,2,3,4\n");
    assert_eq!(
        bench.columns().unwrap(),
        ["x text", "x_2 text", "y text", "x_3 text"]
    );
    let read = bench.texts(&["x_3", "x", "x_2"]).unwrap();
    assert_eq!(read, [row(&["4", "1", "2"])]);
}

#[test]
fn a_column_can_be_read_twice_in_two_types() {
    let bench = Bench::with("a.csv", "line_item_usage_amount\n1e-06\n");
    let fields = [
        ("line_item_usage_amount", Kind::Float8),
        ("line_item_usage_amount", Kind::Text),
        ("line_item_usage_amount", Kind::Numeric),
    ];
    assert_eq!(
        bench.rows(&fields).unwrap(),
        [row(&["1e-6", "1e-06", "1e-06"])]
    );
}

#[test]
fn the_columns_of_aws_have_types_and_empty_cells_are_null() {
    let bench = Bench::with(
        "a.csv",
        "identity/LineItemId,lineItem/UsageStartDate,lineItem/UnblendedCost,lineItem/UnblendedRate,resourceTags/user:Cost\n\
         a,2018-10-01T00:00:00Z,0.0300000000,0.0300000000,\"Team, one\"\n\
         b,,,,\"\"\n",
    );
    assert_eq!(
        bench.columns().unwrap(),
        [
            "identity/LineItemId text",
            "lineItem/UsageStartDate timestamp",
            "lineItem/UnblendedCost double precision",
            "lineItem/UnblendedRate text",
            "resourceTags/user:Cost text",
        ]
    );
    let fields = [
        ("lineItem/UsageStartDate", Kind::Timestamp),
        ("lineItem/UnblendedCost", Kind::Float8),
        ("lineItem/UnblendedRate", Kind::Text),
        ("resourceTags/user:Cost", Kind::Text),
    ];
    let wanted = [
        row(&["2018-10-01T00:00:00", "0.03", "0.0300000000", "Team, one"]),
        row(&["~", "~", "~", "~"]),
    ];
    assert_eq!(bench.rows(&fields).unwrap(), wanted);
}

#[test]
fn the_word_null_means_nothing_in_focus_and_itself_elsewhere() {
    let rows = "NULL,0.00000080000,\"2024-10-01 00:00:00\",NULL\n";
    let focus = "AvailabilityZone,BilledCost,ChargePeriodEnd,Tags";
    let bench = Bench::with(
        "a.csv",
        format!("{focus},ChargeCategory\n{}", rows.replace('\n', ",Usage\n")),
    );
    let fields = [
        ("AvailabilityZone", Kind::Text),
        ("BilledCost", Kind::Float8),
        ("ChargePeriodEnd", Kind::Timestamp),
        ("Tags", Kind::Jsonb),
    ];
    let wanted = [row(&["~", "8e-7", "2024-10-01T00:00:00", "~"])];
    assert_eq!(bench.rows(&fields).unwrap(), wanted);

    let other = Bench::with(
        "a.csv",
        format!("line_item_availability_zone,b,c,d\n{rows}"),
    );
    let zone = other.texts(&["line_item_availability_zone"]);
    assert_eq!(zone.unwrap(), [row(&["NULL"])]);
}

#[test]
fn maps_of_all_writers_are_json() {
    let header = "SubscriptionId,MeterCategory,Cost,Tags\n";
    let cells = [
        r#""{""k"": ""v""}""#,
        r#""""k"":""v"",""k2"":""v2""""#,
        "{}",
        r#""[{'key': 'it''s', 'n': None}]""#,
    ];
    let lines = cells.map(|cell| format!("s,c,1,{cell}\n")).concat();
    let bench = Bench::with("a.csv", format!("{header}{lines}"));
    assert!(bench.columns().unwrap().contains(&"Tags jsonb".to_owned()));
    let read = bench.rows(&[("Tags", Kind::Jsonb)]);
    let error = read.unwrap_err().to_string();
    assert!(
        error.contains("a.csv, line 5: column \"Tags\" holds"),
        "{error}"
    );

    let three: String = cells[..3]
        .iter()
        .map(|cell| format!("s,c,1,{cell}\n"))
        .collect();
    bench.write("a.csv", format!("{header}{three}"));
    let wanted = [r#"{"k": "v"}"#, r#"{"k":"v","k2":"v2"}"#, "{}"];
    assert_eq!(
        bench.rows(&[("Tags", Kind::Jsonb)]).unwrap(),
        wanted.map(|json| row(&[json]))
    );
}

#[test]
fn a_limit_reads_the_beginning_only() {
    let line = "a".repeat(99) + "\n";
    let bench = Bench::with("a.csv", "x\n".to_owned() + &line.repeat(200_000));
    let mut request = bench.request(engine::Query::of(vec![crate::bench::file_field(
        "x",
        Kind::Text,
    )]));
    request.limit = Some(3);
    let mut scan = engine::Scan::start(&bench.engine, &bench.store, request);
    let mut rows = 0;
    while let Some(batch) = scan.next(|| {}).unwrap() {
        rows += batch.num_rows();
    }
    assert_eq!(rows, 3);
    let traffic = scan.traffic();
    assert!(traffic.bytes() < 4 << 20, "{} bytes", traffic.bytes());
}
