//! Charges by the month: tax, support, credits, refunds, discounts and the Marketplace.

use super::commitments::cost;
use super::estate::{Entry, Estate};
use super::series::{Series, Sheet};

/// Makes the line of a monthly charge.
pub(super) fn charge(estate: &Estate<'_>, entry: Entry, mut sheet: Sheet<'_>) -> Series {
    let total = estate.total_expected();
    match entry {
        Entry::Tax(n) => tax(estate, n, &mut sheet),
        Entry::Discount(n) => discount(estate, n, &mut sheet),
        Entry::Credit(n) => credit(estate, n, &mut sheet),
        Entry::Refund(n) => refund(estate, n, &mut sheet),
        Entry::Marketplace(n) => marketplace(estate, n, &mut sheet),
        Entry::Support => support(estate, total * 0.05 + 29.0, &mut sheet),
        // The rest of the fee once usage is final.
        _ => support(estate, total * 0.002 + 1.0, &mut sheet),
    }
    estate.once(sheet, usage_amount(entry))
}

/// Credits, refunds and discounts use nothing.
fn usage_amount(entry: Entry) -> f64 {
    match entry {
        Entry::Credit(_) | Entry::Refund(_) | Entry::Discount(_) => 0.0,
        _ => 1.0,
    }
}

fn share(estate: &Estate<'_>, account: usize) -> f64 {
    estate.expected.get(account).copied().unwrap_or_default()
}

/// Whole cents, never nothing.
fn cents(amount: f64) -> f64 {
    (amount.max(0.01) * 100.0).round() / 100.0
}

/// Tax names the service it is on in the product code and in the name, and nowhere else.
fn tax(estate: &Estate<'_>, n: usize, sheet: &mut Sheet<'_>) {
    cost(sheet, cents(share(estate, n) * 0.07));
    sheet.texts(&[
        ("line_item_usage_account_id", estate.account(n)),
        ("line_item_line_item_type", "Tax"),
        ("line_item_product_code", "AmazonEC2"),
        ("line_item_tax_type", "USSalesTax"),
        (
            "line_item_line_item_description",
            "Tax for product code AmazonEC2",
        ),
        ("product_product_name", "Amazon Elastic Compute Cloud"),
    ]);
}

/// The enterprise discount; net costs of usage have it already.
fn discount(estate: &Estate<'_>, n: usize, sheet: &mut Sheet<'_>) {
    sheet
        .fixed("line_item_unblended_cost", -cents(share(estate, n) * 0.03))
        .texts(&[
            ("line_item_usage_account_id", estate.account(n)),
            ("line_item_line_item_type", "EdpDiscount"),
            ("line_item_product_code", "AmazonEC2"),
            (
                "line_item_line_item_description",
                "Enterprise Program Discount",
            ),
            ("product_servicename", "Amazon Elastic Compute Cloud"),
        ]);
}

fn credit(estate: &Estate<'_>, n: usize, sheet: &mut Sheet<'_>) {
    cost(
        sheet,
        -cents(estate.total_expected() * 0.004 * (n + 1) as f64),
    );
    let code = if n == 0 { "AmazonEC2" } else { "AWSLambda" };
    sheet.texts(&[
        ("line_item_usage_account_id", estate.payer()),
        ("line_item_line_item_type", "Credit"),
        ("line_item_product_code", code),
        (
            "line_item_line_item_description",
            "AWS \"Migration\" credit, année 1",
        ),
        (
            "product_servicename",
            if n == 0 {
                "Amazon Elastic Compute Cloud"
            } else {
                ""
            },
        ),
    ]);
}

/// A refund is on a bill of its own.
fn refund(estate: &Estate<'_>, n: usize, sheet: &mut Sheet<'_>) {
    let amount = estate.total_expected() * 0.001;
    let amount = amount * estate.month_rng(&[0x2EF, n as u64]).between(0.5, 2.0);
    cost(sheet, -cents(amount));
    sheet
        .text("bill_invoice_id", estate.invoice(0x100 + n as u64))
        .texts(&[
            ("bill_bill_type", "Refund"),
            ("line_item_usage_account_id", estate.payer()),
            ("line_item_line_item_type", "Refund"),
            ("line_item_product_code", "AmazonS3"),
            ("line_item_line_item_description", "Service issue refund"),
        ]);
}

/// Another seller, another invoice, an opaque product code.
fn marketplace(estate: &Estate<'_>, n: usize, sheet: &mut Sheet<'_>) {
    let n = n % 2;
    cost(
        sheet,
        cents(estate.total_expected() * 0.015) + 99.0 * estate.size(),
    );
    let code = ["d8kqxyzv1u4w0example", "5n2r9abcexamplecode0"][n];
    let name = ["Example Observability Pro", "Example Vault (SaaS)"][n];
    let seller = ["Example Observability, Inc.", "Exemple Sécurité SARL"][n];
    sheet.text("bill_invoice_id", estate.invoice(2)).texts(&[
        ("bill_billing_entity", "AWS Marketplace"),
        ("bill_invoicing_entity", seller),
        ("bill_bill_type", "Purchase"),
        ("line_item_legal_entity", seller),
        ("line_item_usage_account_id", estate.payer()),
        (
            "line_item_line_item_type",
            if n == 0 { "Usage" } else { "Fee" },
        ),
        ("line_item_product_code", code),
        ("line_item_usage_type", "MP:SubscriptionUnits"),
        (
            "line_item_line_item_description",
            "AWS Marketplace software usage",
        ),
        ("product_product_name", name),
    ]);
}

fn support(estate: &Estate<'_>, amount: f64, sheet: &mut Sheet<'_>) {
    cost(sheet, cents(amount));
    sheet.texts(&[
        ("line_item_usage_account_id", estate.payer()),
        ("line_item_line_item_type", "Fee"),
        ("line_item_product_code", "AWSSupportBusiness"),
        ("line_item_usage_type", "Dollar"),
        ("line_item_line_item_description", "AWS Support (Business)"),
        ("product_product_name", "AWS Support (Business)"),
        ("product_servicename", "AWS Support (Business)"),
        ("product_servicecode", "AWSSupportBusiness"),
        ("product_fee_description", "Monthly support charge"),
    ]);
}
