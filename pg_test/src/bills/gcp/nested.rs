//! Lines as BigQuery exports them: records as groups, repeated records as lists, NUMERIC as
//! DECIMAL(38, 9), times to the microsecond, everything optional.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, ListArray, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute;
use arrow::datatypes::{DataType, Field, Fields, Schema};

use super::super::format::GcpExport;
use super::lines::{BILLING_ACCOUNT, Credit, Line, Project};

/// The lines as a table of Google's.
pub(super) fn batch(export: GcpExport, lines: &[Line]) -> RecordBatch {
    let rows = lines.len();
    let text = |value: fn(&Line) -> Option<&str>| texts(lines.iter().map(value));
    let amount = |value: fn(&Line) -> Option<f64>| amounts(lines.iter().map(value));
    let time = |value: fn(&Line) -> i64| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter_values(lines.iter().map(value));
        Arc::new(times.with_timezone("UTC"))
    };
    let pairs = |value: fn(&Line) -> &[(String, String)]| labels(lines.iter().map(value));
    let project = |value: fn(&Project) -> &str| {
        texts(
            lines
                .iter()
                .map(move |line| line.project.as_ref().map(value)),
        )
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("billing_account_id", text(|_| Some(BILLING_ACCOUNT))),
        (
            "service",
            record(vec![
                ("id", text(|line| Some(line.service.id))),
                ("description", text(|line| Some(line.service.name))),
            ]),
        ),
        (
            "sku",
            record(vec![
                ("id", text(|line| Some(&line.sku.0))),
                ("description", text(|line| Some(&line.sku.1))),
            ]),
        ),
        ("usage_start_time", time(|line| line.start)),
        ("usage_end_time", time(|line| line.end)),
        (
            "project",
            optional(
                lines.iter().map(|line| line.project.is_some()),
                vec![
                    ("id", project(|p| &p.id)),
                    ("number", project(|p| &p.number)),
                    ("name", project(|p| &p.name)),
                    ("labels", pairs(|_| &[])),
                    ("ancestry_numbers", text(|_| None)),
                    ("ancestors", ancestors(lines)),
                ],
            ),
        ),
        ("labels", pairs(|line| &line.labels)),
        ("system_labels", pairs(|line| &line.system_labels)),
        (
            "location",
            record(vec![
                ("location", text(|line| line.region.map(|r| r.location))),
                ("country", text(|line| line.region.map(|r| r.country))),
                ("region", text(|line| line.region.and_then(|r| r.region))),
                ("zone", text(|line| line.zone.as_deref())),
            ]),
        ),
        ("tags", tags(lines)),
        ("transaction_type", text(|_| Some("GOOGLE"))),
        ("seller_name", text(|line| Some(line.seller))),
        ("export_time", time(|line| line.export)),
        ("cost", amount(|line| Some(line.cost))),
        ("currency", text(|_| Some("USD"))),
        ("currency_conversion_rate", amount(|_| Some(1.0))),
        (
            "usage",
            optional(
                lines.iter().map(|line| line.usage.is_some()),
                vec![
                    (
                        "amount",
                        amount(|line| line.usage.as_ref().map(|u| u.amount)),
                    ),
                    ("unit", text(|line| line.usage.as_ref().map(|u| u.unit))),
                    (
                        "amount_in_pricing_units",
                        amount(|line| line.usage.as_ref().map(|u| u.priced)),
                    ),
                    (
                        "pricing_unit",
                        text(|line| line.usage.as_ref().map(|u| u.pricing_unit)),
                    ),
                ],
            ),
        ),
        ("credits", credits(lines)),
        (
            "invoice",
            record(vec![
                ("month", text(|line| Some(&line.invoice))),
                ("publisher_type", text(|_| Some("GOOGLE"))),
            ]),
        ),
        ("cost_type", text(|line| Some(line.cost_type))),
        (
            "adjustment_info",
            optional(
                lines.iter().map(|line| line.adjustment),
                vec![
                    ("id", text(|line| line.adjustment.then_some("adj-0001"))),
                    (
                        "description",
                        text(|line| line.adjustment.then_some("Correction, \"N2\"")),
                    ),
                    (
                        "mode",
                        text(|line| line.adjustment.then_some("PARTIAL_CORRECTION")),
                    ),
                    (
                        "type",
                        text(|line| line.adjustment.then_some("GENERAL_ADJUSTMENT")),
                    ),
                ],
            ),
        ),
        ("cost_at_list", amount(|line| Some(line.list))),
    ];
    if export == GcpExport::Detailed {
        columns.push((
            "resource",
            optional(
                lines.iter().map(|line| line.resource.is_some()),
                vec![
                    (
                        "name",
                        text(|line| line.resource.as_ref().map(|r| r.0.as_str())),
                    ),
                    (
                        "global_name",
                        text(|line| line.resource.as_ref().map(|r| r.1.as_str())),
                    ),
                ],
            ),
        ));
        columns.push(("price", price(lines)));
    }
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays: Vec<ArrayRef> = columns.into_iter().map(|(_, array)| array).collect();
    debug_assert!(arrays.iter().all(|array| array.len() == rows));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("columns are of one length")
}

/// The same with a column for every leaf, named by its path with dots, as people flatten it for CSV.
pub(super) fn flatten(batch: &RecordBatch) -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        leaves(field.name(), array, &mut columns);
    }
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .expect("columns are of one length")
}

fn leaves(name: &str, array: &ArrayRef, columns: &mut Vec<(String, ArrayRef)>) {
    let DataType::Struct(fields) = array.data_type() else {
        columns.push((name.to_owned(), Arc::clone(array)));
        return;
    };
    let record = array.as_struct();
    for (field, leaf) in fields.iter().zip(record.columns()) {
        // Without its record a leaf is nothing, be it a list.
        let absent = record
            .nulls()
            .map(|nulls| BooleanArray::new(!nulls.inner(), None));
        let leaf = match absent {
            Some(absent) => compute::nullif(leaf, &absent).expect("of one length"),
            None => Arc::clone(leaf),
        };
        leaves(&format!("{name}.{}", field.name()), &leaf, columns);
    }
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let present = values.map(|text| text.filter(|text| !text.is_empty()));
    Arc::new(present.collect::<StringArray>())
}

fn amounts(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.collect::<Float64Array>())
}

/// NUMERIC: nine decimals.
fn numerics(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    let decimals = values.map(|value| value.map(|value| (value * 1e9).round() as i128));
    let decimals = decimals.collect::<Decimal128Array>();
    Arc::new(
        decimals
            .with_precision_and_scale(38, 9)
            .expect("38 digits are an i128's"),
    )
}

fn fields(columns: &[(&str, ArrayRef)]) -> Fields {
    columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect()
}

/// A record that is always there.
fn record(columns: Vec<(&str, ArrayRef)>) -> ArrayRef {
    structs(columns, None)
}

/// A record that is there in some lines.
fn optional(present: impl Iterator<Item = bool>, columns: Vec<(&str, ArrayRef)>) -> ArrayRef {
    structs(columns, Some(NullBuffer::from_iter(present)))
}

fn structs(columns: Vec<(&str, ArrayRef)>, nulls: Option<NullBuffer>) -> ArrayRef {
    let fields = fields(&columns);
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    Arc::new(StructArray::new(fields, arrays, nulls))
}

/// A repeated record: so many in every line.
fn list(lengths: impl Iterator<Item = usize>, items: ArrayRef) -> ArrayRef {
    let item = Field::new("element", items.data_type().clone(), true);
    let offsets = OffsetBuffer::from_lengths(lengths);
    Arc::new(ListArray::new(Arc::new(item), offsets, items, None))
}

fn labels<'a>(values: impl Iterator<Item = &'a [(String, String)]>) -> ArrayRef {
    let sets: Vec<&[(String, String)]> = values.collect();
    let pairs = || sets.iter().flat_map(|set| set.iter());
    let items = record(vec![
        ("key", texts(pairs().map(|(key, _)| Some(key.as_str())))),
        // An empty value is one.
        (
            "value",
            Arc::new(
                pairs()
                    .map(|(_, value)| Some(value))
                    .collect::<StringArray>(),
            ),
        ),
    ]);
    list(sets.iter().map(|set| set.len()), items)
}

/// Tags come from above in the hierarchy: those of zonal resources only.
fn tags(lines: &[Line]) -> ArrayRef {
    let tagged = || lines.iter().filter(|line| line.zone.is_some());
    let items = record(vec![
        ("key", texts(tagged().map(|_| Some("business_unit")))),
        ("value", texts(tagged().map(|_| Some("Retail")))),
        (
            "inherited",
            Arc::new(tagged().map(|_| Some(true)).collect::<BooleanArray>()),
        ),
        ("namespace", texts(tagged().map(|_| Some("54643501348")))),
    ]);
    list(
        lines.iter().map(|line| usize::from(line.zone.is_some())),
        items,
    )
}

fn ancestors(lines: &[Line]) -> ArrayRef {
    let with = || lines.iter().filter_map(|line| line.project.as_ref());
    let names: Vec<String> = with().map(|p| format!("projects/{}", p.number)).collect();
    let items = record(vec![
        (
            "resource_name",
            texts(names.iter().map(|name| Some(name.as_str()))),
        ),
        ("display_name", texts(with().map(|p| Some(p.name.as_str())))),
    ]);
    list(
        lines.iter().map(|line| usize::from(line.project.is_some())),
        items,
    )
}

fn credits(lines: &[Line]) -> ArrayRef {
    let all = || lines.iter().flat_map(|line| &line.credits);
    let text = |value: fn(&Credit) -> Option<&'static str>| texts(all().map(value));
    let items = record(vec![
        ("name", text(|credit| Some(credit.name))),
        ("amount", amounts(all().map(|credit| Some(credit.amount)))),
        ("full_name", text(|credit| credit.full_name)),
        ("id", text(|credit| credit.id)),
        ("type", text(|credit| Some(credit.kind))),
    ]);
    list(lines.iter().map(|line| line.credits.len()), items)
}

fn price(lines: &[Line]) -> ArrayRef {
    let usage = || lines.iter().map(|line| line.usage.as_ref());
    let price = || usage().map(|usage| usage.map(|usage| usage.price));
    let zero = || usage().map(|usage| usage.map(|_| 0.0));
    let one = || usage().map(|usage| usage.map(|_| 1.0));
    optional(
        usage().map(|usage| usage.is_some()),
        vec![
            ("effective_price", numerics(price())),
            ("tier_start_amount", numerics(zero())),
            (
                "unit",
                texts(usage().map(|usage| usage.map(|usage| usage.pricing_unit))),
            ),
            ("pricing_unit_quantity", numerics(one())),
            ("list_price", numerics(price())),
            ("effective_price_default", numerics(price())),
            ("list_price_consumption_model", numerics(price())),
        ],
    )
}
