//! Columns that come, go and change their type from month to month.

use crate::ask::value;
use crate::env::{Env, Test, tests};
use crate::fixture::{press, sync, synced_later, upload};
use crate::sync::assert_bills;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pg_test::Result;
use pg_test::bills::{MonthBill, Report};
use postgres::Client;
use std::io::Write;
use std::sync::Arc;

pub const TESTS: &[Test] = tests![
    what_came_and_went_is_found_whatever_was_loaded_first,
    a_type_that_widens_keeps_every_month_and_every_view,
    files_of_one_month_may_differ_in_type,
    costs_stay_exact_in_any_type,
    stored_tags_widen_to_documents_with_and_without_braces,
];

/// The bill with the columns of the chosen data files changed.
fn rewritten(
    bill: &MonthBill,
    files: impl Fn(usize) -> bool,
    change: impl Fn(&str, &ArrayRef) -> Option<ArrayRef>,
) -> Result<MonthBill> {
    let mut bill = bill.clone();
    let data = bill
        .files
        .iter_mut()
        .filter(|f| f.key.ends_with(".parquet"));
    for (_, file) in data.enumerate().filter(|(n, _)| files(*n)) {
        let mut bytes = tempfile::tempfile()?;
        bytes.write_all(&file.bytes)?;
        let mut writer: Option<ArrowWriter<Vec<u8>>> = None;
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
            let batch = batch?;
            let columns = batch
                .schema()
                .fields()
                .iter()
                .zip(batch.columns())
                .map(|(field, column)| {
                    let column = change(field.name(), column).unwrap_or_else(|| column.clone());
                    (
                        Field::new(field.name(), column.data_type().clone(), true),
                        column,
                    )
                })
                .collect::<Vec<_>>();
            let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
            let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
            let writer = match &mut writer {
                Some(writer) => writer,
                none => none.insert(ArrowWriter::try_new(Vec::new(), batch.schema(), None)?),
            };
            writer.write(&batch)?;
        }
        file.bytes = writer.expect("a file has rows").into_inner()?;
    }
    Ok(bill)
}

fn to(data_type: DataType, column: &ArrayRef) -> Option<ArrayRef> {
    Some(cast(column, &data_type).expect("the sample's values fit"))
}

/// `1`, `2`, … in every row, in the type.
fn whole_numbers(data_type: DataType, column: &ArrayRef) -> Option<ArrayRef> {
    let numbers: ArrayRef = Arc::new(StringArray::from_iter_values(
        (1..=column.len()).map(|n| n.to_string()),
    ));
    to(data_type, &numbers)
}

fn types(client: &mut Client, column: &str) -> Result<String> {
    value(
        client,
        &format!(
            "SELECT string_agg(DISTINCT a.attrelid::regclass || ' ' || a.atttypid::regtype, ', ') \
               FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
              WHERE c.relnamespace = 'cost_analytics'::regnamespace AND a.attname = '{column}' \
                AND c.relkind IN ('f', 'p')"
        ),
    )
}

fn changes(client: &mut Client) -> Result<String> {
    value(
        client,
        "SELECT string_agg(concat_ws(' ', to_char(billing_period, 'MM'), change, column_name), ', ' \
                ORDER BY billing_period, change, column_name) FROM cost_analytics.schema_changes",
    )
}

fn what_came_and_went_is_found_whatever_was_loaded_first(env: &Env) -> Result<()> {
    let bills = press().all();
    // Newest first; oldest first; the middle one last.
    let orders = [&[0, 1, 2][..], &[0], &[0, 2]];
    let mut found = Vec::new();
    for (n, order) in orders.into_iter().enumerate() {
        let name = format!("drift-order-{n}");
        let first: Vec<_> = order.iter().map(|&month| bills[month].clone()).collect();
        let mut client = synced_later(env, &name, &first)?;
        sync(&mut client)?;
        for bill in &bills {
            if !first.iter().any(|known| known.month == bill.month) {
                upload(env, &name, bill)?;
                sync(&mut client)?;
            }
        }
        assert_bills(&mut client, &bills)?;
        found.push(changes(&mut client)?);
    }
    assert!(
        found.iter().all(|changes| *changes == found[0]),
        "{found:#?}"
    );
    assert!(
        found[0].starts_with("10 added product_marketoption"),
        "{}",
        found[0]
    );
    assert!(
        found[0].contains("11 added product_category"),
        "{}",
        found[0]
    );

    // What only November has is gone in December.
    let name = "drift-gone";
    let mut client = synced_later(env, name, &bills)?;
    sync(&mut client)?;
    let plain = Report {
        months: 1,
        ..press()
    };
    upload(env, name, &plain.month(2025, 12, 0))?;
    sync(&mut client)?;
    let gone = changes(&mut client)?;
    assert!(gone.contains("12 gone product_category"), "{gone}");
    client.batch_execute("CALL cost_analytics.cost_sync(force => true)")?;
    assert_eq!(
        changes(&mut client)?,
        gone,
        "a month loaded again changes nothing"
    );
    Ok(())
}

fn a_type_that_widens_keeps_every_month_and_every_view(env: &Env) -> Result<()> {
    let name = "drift-widened";
    let original = press().all();
    let day = |name: &str, column: &ArrayRef| match name {
        "reservation_units_per_reservation" => whole_numbers(DataType::Int16, column),
        "pricing_rate_id" => whole_numbers(DataType::Int64, column),
        "line_item_normalization_factor" => to(DataType::Float32, column),
        "bill_billing_period_start_date" => to(DataType::Date32, column),
        "product_vcpu" => whole_numbers(DataType::Float64, column),
        _ => None,
    };
    let first = rewritten(&original[0], |_| true, day)?;
    let second = rewritten(
        &original[1],
        |_| true,
        |name, column| match name {
            "reservation_units_per_reservation" => whole_numbers(DataType::Int32, column),
            "pricing_rate_id" => whole_numbers(DataType::Float64, column),
            _ => None,
        },
    )?;
    let third = rewritten(
        &original[2],
        |_| true,
        |name, column| match name {
            // Narrower again.
            "reservation_units_per_reservation" => whole_numbers(DataType::Int16, column),
            "pricing_rate_id" => whole_numbers(DataType::Int64, column),
            _ => None,
        },
    )?;
    let mut client = synced_later(env, name, &[first])?;
    sync(&mut client)?;
    client.batch_execute(
        "CREATE VIEW public.starts WITH (security_barrier = true) AS \
           SELECT bill_billing_period_start_date AS start, product_vcpu AS vcpu FROM cost_analytics.raw_press; \
         CREATE VIEW public.first_start AS SELECT min(start) AS start FROM public.starts; \
         CREATE VIEW public.there AS SELECT product_vcpu FROM cost_analytics.press; \
         COMMENT ON VIEW public.starts IS 'kept'; COMMENT ON COLUMN public.starts.start IS 'kept, too'; \
         GRANT SELECT ON public.starts TO cost_reader; GRANT SELECT (start) ON public.first_start TO cost_reader; \
         ALTER VIEW public.there OWNER TO cost_admin",
    )?;
    for bill in [&second, &third] {
        upload(env, name, bill)?;
        sync(&mut client)?;
    }
    assert_bills(&mut client, &original)?;
    for (column, data_type) in [
        ("reservation_units_per_reservation", "integer"),
        ("pricing_rate_id", "numeric"),
        ("line_item_normalization_factor", "double precision"),
        (
            "bill_billing_period_start_date",
            "timestamp without time zone",
        ),
        ("product_vcpu", "text"),
    ] {
        assert_eq!(
            types(&mut client, column)?,
            format!("cost_analytics.press {data_type}, cost_analytics.raw_press {data_type}"),
            "{column}"
        );
    }
    let widened = "SELECT string_agg(concat_ws(' ', to_char(billing_period, 'MM'), column_name, old_type, data_type), ', ' \
                          ORDER BY column_name) FROM cost_analytics.schema_changes WHERE change = 'widened'";
    assert_eq!(
        value(&mut client, widened)?,
        "10 bill_billing_period_start_date date timestamp, \
         10 line_item_normalization_factor real double precision, \
         10 pricing_rate_id bigint numeric, 10 product_vcpu double precision text, \
         10 reservation_units_per_reservation smallint integer"
    );
    // What was loaded before reads as the files do now.
    let differ = "SELECT count(*)::text FROM ( \
        SELECT line_item_usage_amount, reservation_units_per_reservation, pricing_rate_id, \
               line_item_normalization_factor, bill_billing_period_start_date, product_vcpu::numeric \
          FROM cost_analytics.raw_press WHERE month = '9' EXCEPT ALL \
        SELECT line_item_usage_amount, reservation_units_per_reservation, pricing_rate_id, \
               line_item_normalization_factor, bill_billing_period_start_date, product_vcpu::numeric \
          FROM cost_analytics.press WHERE month = '9') AS difference";
    assert_eq!(value(&mut client, differ)?, "0");
    let views = "SELECT concat_ws(' ', (SELECT start FROM public.first_start), \
        obj_description('public.starts'::regclass), col_description('public.starts'::regclass, 1), \
        has_table_privilege('cost_reader', 'public.starts', 'SELECT'), \
        has_column_privilege('cost_reader', 'public.first_start', 'start', 'SELECT'), \
        (SELECT reloptions::text FROM pg_class WHERE oid = 'public.starts'::regclass), \
        (SELECT relowner::regrole::text FROM pg_class WHERE oid = 'public.there'::regclass))";
    assert_eq!(
        value(&mut client, views)?,
        "2025-09-01 00:00:00 kept kept, too t t {security_barrier=true} cost_admin"
    );
    Ok(())
}

fn files_of_one_month_may_differ_in_type(env: &Env) -> Result<()> {
    let original = press().all();
    let mixed = rewritten(
        &original[0],
        |file| file == 1,
        |name, column| match name {
            "line_item_usage_amount" => to(DataType::Utf8, column),
            "reservation_units_per_reservation" => whole_numbers(DataType::Int32, column),
            _ => None,
        },
    )?;
    let mut client = synced_later(env, "drift-mixed", &[mixed])?;
    sync(&mut client)?;
    assert_bills(&mut client, &original[..1])?;
    assert_eq!(
        types(&mut client, "line_item_usage_amount")?,
        "cost_analytics.press text, cost_analytics.raw_press text"
    );
    Ok(())
}

fn costs_stay_exact_in_any_type(env: &Env) -> Result<()> {
    let name = "drift-money";
    let original = press().all();
    let as_text = |column: &str, values: &ArrayRef| {
        (column == "line_item_unblended_cost")
            .then(|| to(DataType::Utf8, values))
            .flatten()
    };
    let mut client = synced_later(env, name, &original[..2])?;
    sync(&mut client)?;
    upload(env, name, &rewritten(&original[2], |_| true, as_text)?)?;
    sync(&mut client)?;
    assert_bills(&mut client, &original)?;
    // The older months, too, now that their column is text.
    client.batch_execute("CALL cost_analytics.cost_sync(force => true)")?;
    assert_bills(&mut client, &original)
}

fn stored_tags_widen_to_documents_with_and_without_braces(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("drift-tags")?;
    client.batch_execute(
        "CREATE TABLE stored (tags text);
         INSERT INTO stored VALUES ('\"team\": \"a\"'), (' {\"team\": \"a\"}'), (''), (NULL);
         SELECT cost_analytics.widen_column('stored', 'tags', 'jsonb')",
    )?;
    let tags = "SELECT count(*) || ' ' || count(tags) || ' ' || string_agg(DISTINCT tags::text, ', ') FROM stored";
    assert_eq!(value(&mut client, tags)?, "4 2 {\"team\": \"a\"}");
    Ok(())
}
