//! Names: from CSV headers to Athena's columns, and from any column to one Postgres can hold.

mod aws;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::dialect::canonical;

/// The longest identifier Postgres keeps whole, in bytes.
const SQL_LIMIT: usize = 63;
/// The longest column name of AWS's catalog.
const ATHENA_LIMIT: usize = 255;

/// The column name AWS's Parquet files use for a header of its CSV files.
///
/// The rule is the one of the AWS CUR user guide, "Athena integration": an underscore before
/// every capital, small letters, underscores for everything else, no two in a row, none at the
/// ends; where that is too long, underscores go from left to right. Only ASCII counts as
/// letters. Different headers may give one name; AWS then keeps one of the columns.
pub fn athena_name(csv_header: &str) -> String {
    let mut name = String::with_capacity(csv_header.len() + 8);
    for character in csv_header.chars() {
        if character.is_ascii_uppercase() {
            separate(&mut name);
        }
        if character.is_ascii_alphanumeric() {
            name.push(character.to_ascii_lowercase());
        } else {
            separate(&mut name);
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    shorten(name)
}

/// One underscore, unless it would lead or follow another.
fn separate(name: &mut String) {
    if !name.is_empty() && !name.ends_with('_') {
        name.push('_');
    }
}

fn shorten(name: String) -> String {
    let excess = name.len().saturating_sub(ATHENA_LIMIT);
    name.replacen('_', "", excess)
}

/// AWS's columns by their canonical names.
static AWS: LazyLock<HashMap<String, &'static str>> =
    LazyLock::new(|| aws::names().map(|name| (canonical(name), name)).collect());

/// The name a file's column has in Postgres, before it is cut and made unique: [`athena_name`],
/// whoever wrote the file, so that `BilledCost` is `billed_cost` and `service.id` `service_id`.
///
/// Where words are not told apart at all, as in `lineitem_usagestartdate`, only a name that is
/// known can be: a column of AWS has AWS's name however it is spelled. A name without ASCII letters
/// or digits stays as it is.
pub fn column_name(original: &str) -> String {
    if let Some(known) = AWS.get(&canonical(original)) {
        return (*known).to_owned();
    }
    match athena_name(original) {
        empty if empty.is_empty() => original.to_owned(),
        name => name,
    }
}

/// Which of a file's columns is the one that a table knows by another file's spelling: the column
/// of that very name, else the first that has the same [`column_name`].
///
/// A bill may change its spelling from month to month: Azure's agreements differ in letter case,
/// and a report that changed from CSV to Parquet in everything.
pub fn position<S: AsRef<str>>(columns: &[S], wanted: &str) -> Option<usize> {
    let same = columns.iter().position(|column| column.as_ref() == wanted);
    same.or_else(|| {
        let wanted = column_name(wanted);
        columns
            .iter()
            .position(|column| column_name(column.as_ref()) == wanted)
    })
}

/// A column under the name Postgres has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlName {
    /// The Postgres identifier: at most 63 bytes and unique in its table.
    pub sql: String,
    /// The name in the file.
    pub original: String,
}

/// Postgres identifiers for the columns of one table, in their order: [`column_name`], made to fit.
///
/// Postgres cuts identifiers at 63 bytes, and AWS has columns of 64, so names are cut here, at
/// a character's end, where the cut is known. Names are unique ignoring case, also against
/// `reserved`, since unquoted SQL and many tools do not tell case apart; later ones get `_2`,
/// `_3` and so on. A name that needs no change never loses it to one that does.
pub fn sql_names<S: AsRef<str>>(originals: &[S], reserved: &[&str]) -> Vec<SqlName> {
    let wishes = originals.iter().map(|original| {
        let original = original.as_ref();
        (original, identifier(&column_name(original)))
    });
    let names = apart(wishes.collect(), reserved);
    let names = originals.iter().zip(names).map(|(original, sql)| SqlName {
        sql,
        original: original.as_ref().to_owned(),
    });
    names.collect()
}

/// Makes identifiers unique. Each wish comes with the name it was made from.
fn apart(wishes: Vec<(&str, String)>, reserved: &[&str]) -> Vec<String> {
    let mut taken: HashSet<String> = reserved.iter().map(|name| name.to_lowercase()).collect();
    let mut kept = Vec::with_capacity(wishes.len());
    for (original, wish) in &wishes {
        kept.push(original == wish && taken.insert(wish.to_lowercase()));
    }
    let names = wishes.into_iter().zip(kept);
    let names = names.map(|((_, wish), kept)| match kept {
        true => wish,
        false => unique(&wish, &mut taken),
    });
    names.collect()
}

/// A name Postgres accepts: not empty, no NUL, not too long.
fn identifier(name: &str) -> String {
    if name.is_empty() {
        return "column".to_owned();
    }
    cut(name, SQL_LIMIT).replace('\0', "_")
}

fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let mut candidate = name.to_owned();
    let mut number = 2_u64;
    while !taken.insert(candidate.to_lowercase()) {
        let suffix = format!("_{number}");
        candidate = format!("{}{suffix}", cut(name, SQL_LIMIT - suffix.len()));
        number += 1;
    }
    candidate
}

/// The longest start of `text` that fits `limit` bytes and ends with a character.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// Table names for reports, in their order and unique: [`table_name`], numbered as columns are.
pub fn table_names<S: AsRef<str>>(reports: &[S]) -> Vec<String> {
    let wishes = reports.iter().map(|report| {
        let report = report.as_ref();
        (report, table_name(report))
    });
    apart(wishes.collect(), &[])
}

/// A table name for a report: `CUP-Cost-Usage-Report` gives `cup_cost_usage_report`.
///
/// Small ASCII letters, digits and single underscores, at most 63 bytes, never empty and never
/// starting with a digit, so that it needs no quotes.
pub fn table_name(report: &str) -> String {
    let mut name = String::with_capacity(report.len());
    for character in report.chars() {
        if character.is_ascii_alphanumeric() {
            name.push(character.to_ascii_lowercase());
        } else {
            separate(&mut name);
        }
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert_str(0, "report_");
    }
    let name = cut(&name, SQL_LIMIT).trim_end_matches('_');
    if name.is_empty() {
        "report".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_become_the_names_real_parquet_files_have() {
        for (header, name) in [
            (
                "reservation/ReservationARN",
                "reservation_reservation_a_r_n",
            ),
            (
                "savingsPlan/SavingsPlanARN",
                "savings_plan_savings_plan_a_r_n",
            ),
            ("resourceTags/user:Name", "resource_tags_user_name"),
            (
                "resourceTags/aws:ec2spot:fleet-request-id",
                "resource_tags_aws_ec2spot_fleet_request_id",
            ),
            ("product/maxIopsvolume", "product_max_iopsvolume"),
            ("product/intelAvx2Available", "product_intel_avx2_available"),
            ("resourceTags/user:Owner-ID", "resource_tags_user_owner_i_d"),
            ("costCategory/Charge type", "cost_category_charge_type"),
            ("product/ProductName", "product_product_name"),
            ("product/servicename", "product_servicename"),
            ("bill/BillType", "bill_bill_type"),
            ("resourceTags/user:Owner", "resource_tags_user_owner"),
            ("resourceTags/user:owner", "resource_tags_user_owner"),
            ("lineItem/UnblendedCost", "line_item_unblended_cost"),
            ("__X__", "x"),
            ("", ""),
        ] {
            assert_eq!(athena_name(header), name, "{header}");
        }
    }

    #[test]
    fn too_long_headers_lose_underscores_from_the_left_and_only_as_many_as_needed() {
        let long = athena_name(&"Ab".repeat(86));
        assert_eq!(long.len(), 255);
        assert!(
            long.starts_with("ababab_ab_") && long.ends_with("_ab_ab"),
            "{long}"
        );
    }

    fn sql(originals: &[&str], reserved: &[&str]) -> Vec<String> {
        sql_names(originals, reserved)
            .into_iter()
            .map(|name| name.sql)
            .collect()
    }

    #[test]
    fn aws_column_of_64_bytes_is_cut_and_its_neighbour_of_63_is_not() {
        let long = "savings_plan_net_amortized_upfront_commitment_for_billing_period";
        let fits = "reservation_net_unused_amortized_upfront_fee_for_billing_period";
        assert_eq!((long.len(), fits.len()), (64, 63));
        assert_eq!(sql(&[long, fits], &[]), [&long[..63], fits]);
    }

    #[test]
    fn names_that_meet_after_cutting_or_in_case_stay_apart() {
        let long = "x".repeat(70);
        let other = "x".repeat(64);
        assert_eq!(
            sql(&[&long, &other], &[]),
            ["x".repeat(63), "x".repeat(61) + "_2"]
        );
        assert_eq!(
            sql(&["Owner", "owner", "user:owner", "owner_"], &[]),
            ["owner_2", "owner", "user_owner", "owner_3"]
        );
        assert_eq!(
            sql(&["year", "billing_period"], &["Year"]),
            ["year_2", "billing_period"]
        );
        assert_eq!(sql(&["", "a\0", "?"], &[]), ["column", "a", "?"]);
    }

    #[test]
    fn a_name_that_fits_is_not_taken_by_a_made_up_one() {
        assert_eq!(sql(&["a", "a", "a_2"], &[]), ["a", "a_3", "a_2"]);
        let fits = "y".repeat(63);
        assert_eq!(
            sql(&["y".repeat(64).as_str(), &fits], &[]),
            ["y".repeat(61) + "_2", fits]
        );
    }

    #[test]
    fn every_providers_names_follow_one_rule() {
        for (original, name) in [
            ("BilledCost", "billed_cost"),
            ("costInBillingCurrency", "cost_in_billing_currency"),
            ("CostInBillingCurrency", "cost_in_billing_currency"),
            ("service.id", "service_id"),
            ("service__id", "service_id"),
            ("lineItem/UsageStartDate", "line_item_usage_start_date"),
            ("lineitem_usagestartdate", "line_item_usage_start_date"),
            ("resourceTags/user:Name", "resource_tags_user_name"),
            ("x_ServiceCode", "x_service_code"),
            ("PayGPrice", "pay_g_price"),
            ("größe", "gr_e"),
            ("名前", "名前"),
        ] {
            assert_eq!(column_name(original), name, "{original}");
        }
    }

    #[test]
    fn a_column_is_found_under_another_months_spelling_but_never_instead_of_itself() {
        let csv = [
            "lineItem/UsageStartDate",
            "resourceTags/user:Owner",
            "resourceTags/user:owner",
        ];
        assert_eq!(position(&csv, "line_item_usage_start_date"), Some(0));
        assert_eq!(position(&csv, "resource_tags_user_owner"), Some(1));
        assert_eq!(position(&csv, "resourceTags/user:owner"), Some(2));
        assert_eq!(position(&csv, "line_item_usage_end_date"), None);
        assert_eq!(position(&["subscriptionId", "date"], "Date"), Some(1));
    }

    #[test]
    fn cutting_never_splits_a_character() {
        let long = "é".repeat(40);
        assert_eq!(
            sql(&[&long, &long], &[]),
            ["é".repeat(31), "é".repeat(30) + "_2"]
        );
    }

    #[test]
    fn reports_become_tables() {
        for (report, table) in [
            ("CUP-Cost-Usage-Report", "cup_cost_usage_report"),
            ("(My) Report!", "my_report"),
            ("2018.bill", "report_2018_bill"),
            ("***", "report"),
            ("", "report"),
            ("__a--b__", "a_b"),
        ] {
            assert_eq!(table_name(report), table, "{report}");
        }
        assert_eq!(table_name(&"a".repeat(300)).len(), 63);
        // Unlike a column, a table does not get one of AWS's names.
        let reports = ["R", "r", "lineitem_usagetype", "R!"];
        let tables = ["r_2", "r", "lineitem_usagetype", "r_3"];
        assert_eq!(table_names(&reports), tables);
    }

    proptest! {
        #[test]
        fn names_are_unique_short_and_in_order(
            originals in proptest::collection::vec("([aAbé_2]{0,3}|x{60,66}|(İ|ß|é){30,34})", 0..30),
            reserved in proptest::collection::vec("[aAb]{1,2}", 0..4),
        ) {
            let reserved: Vec<&str> = reserved.iter().map(String::as_str).collect();
            let names = sql_names(&originals, &reserved);
            prop_assert_eq!(names.len(), originals.len());
            let mut seen: HashSet<String> = reserved.iter().map(|name| name.to_lowercase()).collect();
            for (name, original) in names.iter().zip(&originals) {
                prop_assert_eq!(&name.original, original);
                prop_assert!(!name.sql.is_empty() && name.sql.len() <= 63);
                prop_assert!(seen.insert(name.sql.to_lowercase()), "{} twice", name.sql);
            }
        }

        #[test]
        fn names_that_are_fine_do_not_change(
            originals in proptest::collection::hash_set("[a-z]{1,9}(_[a-z0-9]{1,9}){0,5}", 0..30),
        ) {
            let originals: Vec<String> = originals.into_iter().collect();
            for name in sql_names(&originals, &[]) {
                prop_assert_eq!(name.sql, name.original);
            }
        }

        #[test]
        fn converted_names_are_plain_and_stay_as_they_are(header in ".{0,300}") {
            let name = athena_name(&header);
            prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            prop_assert!(!name.starts_with('_') && !name.ends_with('_') && !name.contains("__"));
            if name.len() < 255 {
                prop_assert_eq!(athena_name(&name), name);
            }
        }

        #[test]
        fn table_names_need_no_quotes(report in ".{0,100}") {
            let name = table_name(&report);
            prop_assert!(name.starts_with(|first: char| first.is_ascii_lowercase()) && name.len() <= 63);
            prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        }
    }
}
