//! One month of one report: what is in it and in which order.

use super::calendar::{HOUR, Month};
use super::rng::Rng;
use super::schema::{Place, Schema};
use super::series::{Amount, Clock, Series, Sheet};
use super::usage::Usage;
use super::{Report, charges, commitments, split};

/// One series of the month, before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    Usage(usize),
    ReservedUsage(usize),
    ReservationFee(usize),
    ReservationUpfront(usize),
    Covered(usize, usize),
    Negation(usize, usize),
    PlanFee(usize),
    PlanUpfront(usize),
    Tax(usize),
    Discount(usize),
    Credit(usize),
    Refund(usize),
    Marketplace(usize),
    Support,
    SupportTrueUp,
    Split(usize, usize),
}

/// The month's contents, before any row is made.
pub(super) struct Estate<'a> {
    pub(super) report: &'a Report,
    pub(super) month: Month,
    pub(super) restatement: u32,
    pub(super) place: Place,
    pub(super) schema: Schema,
    /// What plain usage will cost, by account: fees, taxes and credits are shares of it.
    pub(super) expected: Vec<f64>,
    /// Every series with its number of lines.
    pub(super) entries: Vec<(Entry, usize)>,
    /// Lines a full series has: hours of the month, or days in a small bill.
    slots: usize,
}

/// From here on a bill is by the hour; a smaller one is mostly by the day, or it would show only
/// a handful of resources.
const HOURLY_FROM: usize = 50_000;

impl<'a> Estate<'a> {
    pub(super) fn new(report: &'a Report, month: Month, restatement: u32) -> Self {
        let place = place(report, month);
        let hourly = report.rows_per_month >= HOURLY_FROM;
        let slots = if hourly {
            month.days() * 24
        } else {
            month.days()
        };
        let mut estate = Estate {
            report,
            month,
            restatement,
            place,
            schema: Schema::new(report.columns, place, report.split_costs),
            expected: vec![0.0; report.accounts.len()],
            entries: Vec::new(),
            slots,
        };
        estate.list();
        estate
    }

    /// How many series a bill of this size has room for.
    fn room(&self) -> usize {
        self.report.rows_per_month / self.slots
    }

    /// Reservations grow with the bill; the last of them is partly unused.
    pub(super) fn reservations(&self) -> usize {
        (self.room() / 40).max(2)
    }

    pub(super) fn plans(&self) -> usize {
        (self.room() / 80).max(1)
    }

    /// Resources under one savings plan.
    pub(super) fn members(&self) -> usize {
        if self.room() < 100 { 2 } else { 4 }
    }

    /// Lines of reservation `n` that are used.
    pub(super) fn reserved_slots(&self, n: usize) -> usize {
        if n + 1 == self.reservations() {
            self.slots * 3 / 5
        } else {
            self.slots
        }
    }

    pub(super) fn month_hours(&self) -> f64 {
        ((self.month.end() - self.month.start()) / HOUR) as f64
    }

    pub(super) fn hourly(&self) -> bool {
        self.slots > 31
    }

    /// The clock of things that run without a break.
    pub(super) fn steady_clock(&self) -> Clock {
        if self.hourly() {
            Clock::Hourly
        } else {
            Clock::Daily
        }
    }

    /// A closed month has its invoice; the newest is still open.
    pub(super) fn open(&self) -> bool {
        self.month.ordinal() >= last(self.report)
    }

    /// Months since the report's first.
    pub(super) fn age(&self) -> i32 {
        self.month.ordinal() - first(self.report)
    }

    /// How big the bills of this payer are: more accounts spend more.
    pub(super) fn size(&self) -> f64 {
        (self.report.accounts.len() as f64 / 20.0).min(1.0)
    }

    pub(super) fn payer(&self) -> &str {
        self.report.accounts.first().map_or("", String::as_str)
    }

    pub(super) fn account(&self, n: usize) -> &str {
        self.report.accounts.get(n).map_or("", String::as_str)
    }

    pub(super) fn total_expected(&self) -> f64 {
        self.expected.iter().sum()
    }

    /// A generator for a thing of this report, the same in every month.
    pub(super) fn rng(&self, path: &[u64]) -> Rng {
        Rng::new(self.report.seed, path)
    }

    /// A generator for something of this month only.
    pub(super) fn month_rng(&self, path: &[u64]) -> Rng {
        let month = self.month.ordinal() as u64;
        Rng::new(self.report.seed ^ month.rotate_left(32), path)
    }

    /// Puts the series in order: monthly charges, commitments, then usage up to the rows wanted.
    /// A restatement adds its rows behind.
    fn list(&mut self) {
        let mut left = self.report.rows_per_month;
        let charges = self.charges();
        let commitments = self.commitments();
        for (entry, lines) in charges.into_iter().chain(commitments) {
            self.push(entry, lines, &mut left);
        }
        for n in 0.. {
            if left == 0 {
                break;
            }
            let lines = self.slots.min(left);
            let usage = Usage::draw(self, n);
            if let Some(expected) = self.expected.get_mut(usage.account) {
                *expected += usage.expected_cost(lines);
            }
            self.push(Entry::Usage(n), self.slots, &mut left);
        }
        for entry in self.restated() {
            self.entries.push((entry, 1));
        }
    }

    fn push(&mut self, entry: Entry, lines: usize, left: &mut usize) {
        let lines = lines.min(*left);
        if lines > 0 {
            self.entries.push((entry, lines));
            *left -= lines;
        }
    }

    fn charges(&self) -> Vec<(Entry, usize)> {
        let accounts = self.report.accounts.len();
        let mut list = Vec::new();
        list.extend((0..accounts).map(Entry::Tax));
        list.extend((0..accounts).map(Entry::Discount));
        list.extend((0..2).map(Entry::Credit));
        list.extend((0..2).map(Entry::Marketplace));
        list.push(Entry::Refund(0));
        // Support is billed about the sixth of the next month: the open month has none yet.
        if !self.open() {
            list.push(Entry::Support);
        }
        list.into_iter().map(|entry| (entry, 1)).collect()
    }

    fn commitments(&self) -> Vec<(Entry, usize)> {
        let mut list = Vec::new();
        for n in 0..self.reservations() {
            list.push((Entry::ReservationFee(n), 1));
            if self.place == Place::First {
                list.push((Entry::ReservationUpfront(n), 1));
            }
            list.push((Entry::ReservedUsage(n), self.reserved_slots(n)));
        }
        for plan in 0..self.plans() {
            list.push((Entry::PlanFee(plan), self.slots));
            if self.place == Place::First && commitments::upfront_share(plan) > 0.0 {
                list.push((Entry::PlanUpfront(plan), 1));
            }
            for member in 0..self.members() {
                list.push((Entry::Covered(plan, member), self.slots));
                list.push((Entry::Negation(plan, member), self.slots));
            }
        }
        if self.report.split_costs {
            for pod in 0..split::PODS {
                for part in 0..split::PARTS {
                    list.push((Entry::Split(pod, part), self.slots));
                }
            }
        }
        list
    }

    /// What a later delivery of the same month has more.
    fn restated(&self) -> Vec<Entry> {
        if self.restatement == 0 {
            return Vec::new();
        }
        let support = if self.open() {
            Entry::Support
        } else {
            Entry::SupportTrueUp
        };
        let refunds = (1..=self.restatement as usize * 2).map(Entry::Refund);
        std::iter::once(support).chain(refunds).collect()
    }

    /// Makes one series.
    pub(super) fn series(&self, entry: Entry) -> Series {
        let sheet = self.sheet(entry);
        match entry {
            Entry::Usage(n) => Usage::draw(self, n).series(self, sheet),
            Entry::ReservedUsage(n) => commitments::reserved_usage(self, n, sheet),
            Entry::ReservationFee(n) => commitments::reservation_fee(self, n, sheet),
            Entry::ReservationUpfront(n) => commitments::reservation_upfront(self, n, sheet),
            Entry::Covered(plan, member) => commitments::covered(self, plan, member, sheet),
            Entry::Negation(plan, member) => commitments::negation(self, plan, member, sheet),
            Entry::PlanFee(plan) => commitments::plan_fee(self, plan, sheet),
            Entry::PlanUpfront(plan) => commitments::plan_upfront(self, plan, sheet),
            Entry::Split(pod, part) => split::pod(self, pod, part, sheet),
            _ => charges::charge(self, entry, sheet),
        }
    }

    /// What every line of this bill has.
    fn sheet(&self, entry: Entry) -> Sheet<'_> {
        let mut sheet = Sheet::new(&self.schema);
        sheet
            .text("identity_line_item_id", self.line_item_id(entry))
            .text("bill_invoice_id", self.invoice(0))
            .texts(&[
                ("bill_invoicing_entity", "Amazon Web Services, Inc."),
                ("bill_billing_entity", "AWS"),
                ("bill_bill_type", "Anniversary"),
                ("bill_payer_account_id", self.payer()),
                ("line_item_currency_code", "USD"),
                ("line_item_legal_entity", "Amazon Web Services, Inc."),
            ])
            .set(
                "bill_billing_period_start_date",
                super::series::Cell::Time(self.month.start()),
            )
            .set(
                "bill_billing_period_end_date",
                super::series::Cell::Time(self.month.end()),
            );
        sheet
    }

    /// An invoice number; `''` while the month is open. Refunds and the Marketplace have their own.
    pub(super) fn invoice(&self, which: u64) -> String {
        if self.open() {
            return String::new();
        }
        let number = 1_600_000_000 + self.month_rng(&[0x1u64, which]).below(399_999_999);
        number.to_string()
    }

    /// The id repeats in every interval of the series and is another one in every delivery.
    fn line_item_id(&self, entry: Entry) -> String {
        let (kind, a, b) = entry.number();
        let restatement = u64::from(self.restatement);
        let mut rng = self.month_rng(&[0x1D, restatement, kind, a as u64, b as u64]);
        rng.word(b"abcdefghijklmnopqrstuvwxyz234567", 52)
    }

    /// One line over the whole month.
    pub(super) fn once(&self, sheet: Sheet<'_>, amount: f64) -> Series {
        let clock = Clock::Once {
            start: self.month.start(),
            end: self.month.end(),
        };
        sheet.finish(self.month, clock, Amount::steady(amount))
    }
}

impl Entry {
    /// The entry as numbers, for seeding.
    pub(super) fn number(self) -> (u64, usize, usize) {
        match self {
            Entry::Usage(n) => (0, n, 0),
            Entry::ReservedUsage(n) => (1, n, 0),
            Entry::ReservationFee(n) => (2, n, 0),
            Entry::ReservationUpfront(n) => (3, n, 0),
            Entry::Covered(plan, member) => (4, plan, member),
            Entry::Negation(plan, member) => (5, plan, member),
            Entry::PlanFee(plan) => (6, plan, 0),
            Entry::PlanUpfront(plan) => (7, plan, 0),
            Entry::Tax(n) => (8, n, 0),
            Entry::Discount(n) => (9, n, 0),
            Entry::Credit(n) => (10, n, 0),
            Entry::Refund(n) => (11, n, 0),
            Entry::Marketplace(n) => (12, n, 0),
            Entry::Support => (13, 0, 0),
            Entry::SupportTrueUp => (14, 0, 0),
            Entry::Split(pod, part) => (15, pod, part),
        }
    }
}

fn first(report: &Report) -> i32 {
    Month::new(report.first.0, report.first.1).ordinal()
}

fn last(report: &Report) -> i32 {
    first(report) + report.months as i32 - 1
}

/// Columns drift over a run of months; a single month is all middle.
fn place(report: &Report, month: Month) -> Place {
    let at = month.ordinal();
    if report.months > 1 && at <= first(report) {
        Place::First
    } else if report.months > 1 && at >= last(report) {
        Place::Last
    } else {
        Place::Middle
    }
}
