//! The export: six files over three months, no two laid out alike, with every value that is
//! handled apart somewhere.

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use pg_test::Result;
use pg_test::bills::rng::Rng;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// Rows of a file.
const ROWS: usize = 500;
const DAY: i64 = 86_400_000_000;
/// 1970-01-01 to 2000-01-01, from which Postgres counts.
const POSTGRES_EPOCH_DAYS: i32 = 10_957;

/// How a file differs from the others.
struct Layout {
    /// 2025's month, and its first day from 1970-01-01.
    month: (u32, i32),
    number: u32,
    rows_per_group: usize,
    rows_per_page: usize,
    statistics: EnabledStatistics,
    dictionary: bool,
    bloom_filter: bool,
    version: WriterVersion,
    /// `id` and `units` are narrower than the table's.
    narrow: bool,
    /// Times in milliseconds.
    coarse: bool,
    /// The column `gone` is there.
    has_gone: bool,
}

const PLAIN: Layout = Layout {
    month: (9, 20_332),
    number: 1,
    rows_per_group: ROWS,
    rows_per_page: ROWS,
    statistics: EnabledStatistics::Chunk,
    dictionary: true,
    bloom_filter: false,
    version: WriterVersion::PARQUET_1_0,
    narrow: false,
    coarse: false,
    has_gone: true,
};

const LAYOUTS: [Layout; 6] = [
    Layout {
        narrow: true,
        ..PLAIN
    },
    Layout {
        number: 2,
        narrow: true,
        rows_per_group: 100,
        rows_per_page: 20,
        statistics: EnabledStatistics::Page,
        dictionary: false,
        ..PLAIN
    },
    Layout {
        month: (10, 20_362),
        statistics: EnabledStatistics::None,
        coarse: true,
        ..PLAIN
    },
    Layout {
        month: (10, 20_362),
        number: 2,
        rows_per_group: 64,
        rows_per_page: 16,
        statistics: EnabledStatistics::Page,
        bloom_filter: true,
        has_gone: false,
        ..PLAIN
    },
    Layout {
        month: (11, 20_393),
        rows_per_group: 250,
        dictionary: false,
        ..PLAIN
    },
    Layout {
        month: (11, 20_393),
        number: 2,
        rows_per_page: 30,
        statistics: EnabledStatistics::Page,
        bloom_filter: true,
        version: WriterVersion::PARQUET_2_0,
        ..PLAIN
    },
];

/// Writes the files below a folder, as an export without manifests.
pub fn write(folder: &Path) -> Result<()> {
    for (index, layout) in LAYOUTS.iter().enumerate() {
        let (month, _) = layout.month;
        let folder = folder.join(format!("year=2025/month={month}"));
        fs::create_dir_all(&folder)?;
        let file = File::create(folder.join(format!("usage-{:05}.parquet", layout.number)))?;
        let rows = layout.rows(index);
        let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(layout.properties()))?;
        writer.write(&rows)?;
        writer.close()?;
    }
    Ok(())
}

impl Layout {
    fn properties(&self) -> WriterProperties {
        WriterProperties::builder()
            .set_writer_version(self.version)
            .set_max_row_group_row_count(Some(self.rows_per_group))
            .set_data_page_row_count_limit(self.rows_per_page)
            // A page ends only at the end of such a batch.
            .set_write_batch_size(self.rows_per_page)
            .set_statistics_enabled(self.statistics)
            .set_dictionary_enabled(self.dictionary)
            .set_bloom_filter_enabled(self.bloom_filter)
            .build()
    }

    fn rows(&self, index: usize) -> RecordBatch {
        let rng = &mut Rng::new(0x9D0D, &[index as u64]);
        let first = (index * ROWS) as i64;
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("id", self.ids(first)),
            (
                "flag",
                Arc::new(BooleanArray::from(draw(rng, 20, |rng, _| rng.chance(50)))),
            ),
            ("small", Arc::new(Int16Array::from(draw(rng, 5, small)))),
            ("units", self.units(rng)),
            ("big", Arc::new(Int64Array::from(draw(rng, 5, big)))),
            ("share", Arc::new(Float32Array::from(draw(rng, 5, share)))),
            ("odd4", Arc::new(Float32Array::from(draw(rng, 5, odd4)))),
            ("cost", Arc::new(Float64Array::from(draw(rng, 5, cost)))),
            ("price", Arc::new(Float64Array::from(draw(rng, 5, price)))),
            ("large", Arc::new(Float64Array::from(draw(rng, 5, large)))),
            ("odd8", Arc::new(Float64Array::from(draw(rng, 5, odd8)))),
            ("amount", Arc::new(Float64Array::from(draw(rng, 5, amount)))),
            ("dec", self.decimals(rng)),
            ("odd_num", Arc::new(Float64Array::from(draw(rng, 5, odd8)))),
            ("service", texts(rng, 4, SERVICES)),
            ("account", texts(rng, 4, ACCOUNTS)),
            ("region", texts(rng, 10, REGIONS)),
            ("name", texts(rng, 5, NAMES)),
            ("tag", texts(rng, 10, TAGS)),
            ("note", Arc::new(StringArray::from(draw(rng, 8, note)))),
            (
                "day",
                Arc::new(Date32Array::from(draw(rng, 4, |rng, row| {
                    self.day(rng, row)
                }))),
            ),
            (
                "odd_day",
                Arc::new(Date32Array::from(draw(rng, 10, odd_day))),
            ),
            ("usage_start", self.times(rng)),
            (
                "odd_ts",
                Arc::new(TimestampMicrosecondArray::from(draw(rng, 10, odd_time))),
            ),
            (
                "seen",
                Arc::new(
                    TimestampMicrosecondArray::from(draw(rng, 4, |rng, row| self.time(rng, row)))
                        .with_timezone("UTC"),
                ),
            ),
        ];
        if self.has_gone {
            columns.push(("gone", texts(rng, 30, SERVICES)));
        }
        let columns = columns.into_iter().map(|(name, array)| (name, array, true));
        RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
    }

    fn ids(&self, first: i64) -> ArrayRef {
        let ids = (0..ROWS as i64).map(|row| first + row);
        match self.narrow {
            true => Arc::new(Int32Array::from_iter_values(ids.map(|id| id as i32))),
            false => Arc::new(Int64Array::from_iter_values(ids)),
        }
    }

    fn units(&self, rng: &mut Rng) -> ArrayRef {
        match self.narrow {
            true => Arc::new(Int16Array::from(draw(rng, 5, small))),
            false => Arc::new(Int32Array::from(draw(rng, 5, units))),
        }
    }

    /// The scale is not the same in every file.
    fn decimals(&self, rng: &mut Rng) -> ArrayRef {
        let scale = if self.narrow { 6 } else { 10 };
        let decimals = draw(rng, 5, |rng, _| match rng.below(10) {
            0 => 0,
            1 => i128::from(below(rng, i64::MAX)),
            _ => i128::from(below(rng, 2_000_000_000) - 1_000_000_000),
        });
        let array = Decimal128Array::from(decimals).with_precision_and_scale(30, scale);
        Arc::new(array.expect("30 digits hold a bigint"))
    }

    fn times(&self, rng: &mut Rng) -> ArrayRef {
        let times = draw(rng, 4, |rng, row| self.time(rng, row));
        match self.coarse {
            true => {
                let times = times.iter().map(|time| time.map(|t| t.div_euclid(1_000)));
                Arc::new(TimestampMillisecondArray::from_iter(times))
            }
            false => Arc::new(TimestampMicrosecondArray::from(times)),
        }
    }

    fn day(&self, rng: &mut Rng, row: usize) -> i32 {
        let (_, first) = self.month;
        match rng.below(25) {
            0 => *rng.pick(&[
                0,
                -1,
                POSTGRES_EPOCH_DAYS,
                POSTGRES_EPOCH_DAYS - 1,
                -365 * 2_000,
            ]),
            _ => first + (row * 30 / ROWS) as i32,
        }
    }

    /// Mostly within the month and rising, so that statistics tell pages apart.
    fn time(&self, rng: &mut Rng, row: usize) -> i64 {
        let first = i64::from(self.month.1) * DAY;
        let hour = first + (row * 30 * 24 / ROWS) as i64 * 3_600_000_000;
        match rng.below(25) {
            0 => *rng.pick(&PAST_TIMES),
            1 | 2 => hour + below(rng, DAY),
            3 => hour - 1,
            _ => hour,
        }
    }
}

/// Where truncation goes wrong when it goes towards zero: before 1970 and before 2000.
const PAST_TIMES: [i64; 6] = [
    0,
    -1,
    -DAY + 1,
    POSTGRES_EPOCH_DAYS as i64 * DAY - 1,
    -315_619_200_000_000 - 123_457,
    -2_000 * 365 * DAY - 1,
];

/// A column's values, with some NULLs.
fn draw<T>(
    rng: &mut Rng,
    null_percent: u64,
    mut value: impl FnMut(&mut Rng, usize) -> T,
) -> Vec<Option<T>> {
    let mut cell = |row| match rng.chance(null_percent) {
        true => None,
        false => Some(value(rng, row)),
    };
    (0..ROWS).map(&mut cell).collect()
}

fn texts(rng: &mut Rng, null_percent: u64, values: &[&'static str]) -> ArrayRef {
    Arc::new(StringArray::from(draw(rng, null_percent, |rng, _| {
        *rng.pick(values)
    })))
}

fn below(rng: &mut Rng, limit: i64) -> i64 {
    rng.below(limit as usize) as i64
}

fn small(rng: &mut Rng, _: usize) -> i16 {
    match rng.below(30) {
        0 => i16::MIN,
        1 => i16::MAX,
        _ => below(rng, 41) as i16 - 20,
    }
}

fn units(rng: &mut Rng, _: usize) -> i32 {
    match rng.below(30) {
        0 => i32::MIN,
        1 => i32::MAX,
        2 => 16_777_217,
        _ => below(rng, 2_001) as i32 - 1_000,
    }
}

/// Two of the large ones overflow a bigint, and doubles cannot tell the largest apart.
fn big(rng: &mut Rng, _: usize) -> i64 {
    match rng.below(30) {
        0 => i64::MIN,
        1 => i64::MAX,
        2 => i64::MAX - 1,
        3 => (1 << 53) + 1,
        4 => 1 << 53,
        _ => below(rng, 20_001) - 10_000,
    }
}

/// Quarters: 24 bits hold the sum of 3,000 of them, in any order.
fn share(rng: &mut Rng, _: usize) -> f32 {
    match rng.below(20) {
        0 => 0.0,
        1 => -0.0,
        _ => (below(rng, 801) - 400) as f32 / 4.0,
    }
}

/// Multiples of 1/1024: 53 bits hold the sum of 3,000 of them, in any order.
fn cost(rng: &mut Rng, _: usize) -> f64 {
    match rng.below(20) {
        0 => 0.0,
        1 => -0.0,
        2 => (below(rng, 1 << 33) - (1 << 32)) as f64 / 1024.0,
        _ => (below(rng, 200_001) - 100_000) as f64 / 1024.0,
    }
}

/// Prices as in bills. Never negative, so that a sum's error is small beside the sum.
fn price(rng: &mut Rng, _: usize) -> f64 {
    match rng.below(10) {
        0 => 0.0,
        1 => below(rng, 1_000_000) as f64 * 1e-10,
        _ => below(rng, 10_000_000) as f64 / 3_000.0,
    }
}

/// Squares overflow, sums do not.
fn large(rng: &mut Rng, _: usize) -> f64 {
    match rng.below(10) {
        0 => 1e200,
        1 => 3e300,
        _ => below(rng, 1_000) as f64,
    }
}

fn amount(rng: &mut Rng, _: usize) -> f64 {
    match rng.below(10) {
        0 => -0.0,
        1 => below(rng, 1_000) as f64 * 1e-9,
        2 => 0.1 + 0.2,
        _ => (below(rng, 2_000_001) - 1_000_000) as f64 / 1_000.0,
    }
}

fn odd4(rng: &mut Rng, _: usize) -> f32 {
    const ODD: [f32; 16] = [
        f32::NAN,
        f32::from_bits(0xFFC0_0000),
        f32::from_bits(0x7FC0_0001),
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        f32::MAX,
        f32::MIN,
        0.1,
        16_777_216.0,
        1.0,
        -1.5,
        2.5,
    ];
    *rng.pick(&ODD)
}

fn odd8(rng: &mut Rng, _: usize) -> f64 {
    const ODD: [f64; 20] = [
        f64::NAN,
        f64::from_bits(0xFFF8_0000_0000_0000),
        f64::from_bits(0x7FF8_0000_0000_0001),
        f64::from_bits(0xFFFF_FFFF_FFFF_FFFF),
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        -f64::from_bits(1),
        1e308,
        -1e308,
        0.1,
        0.100_000_001_490_116_12, // 0.1 as a real
        9_007_199_254_740_992.0,
        9_223_372_036_854_775_808.0,
        1.0,
        -1.5,
        2.5,
    ];
    *rng.pick(&ODD)
}

/// 4713 BC to 5874897, Postgres's range.
fn odd_day(rng: &mut Rng, row: usize) -> i32 {
    match rng.below(6) {
        0 => -2_451_545 + POSTGRES_EPOCH_DAYS,
        1 => 2_145_031_948 + POSTGRES_EPOCH_DAYS,
        2 => -719_163, // 1 BC's last day
        3 => -719_162,
        4 => 106_741_034, // the last day of 294276, where timestamps end
        _ => 20_000 + row as i32,
    }
}

/// From 4713 BC to the last microsecond that 64 bits from 1970 hold.
fn odd_time(rng: &mut Rng, row: usize) -> i64 {
    match rng.below(8) {
        0 => -210_866_803_200_000_000,
        1 => -210_866_803_200_000_000 + 1,
        2 => i64::MAX,
        3 => i64::MAX - DAY,
        4 => -62_135_596_800_000_000 - 1, // the end of 1 BC
        5 => *rng.pick(&PAST_TIMES),
        _ => (20_000 + row as i64) * DAY + row as i64,
    }
}

const SERVICES: &[&str] = &[
    "AmazonEC2",
    "AmazonS3",
    "AmazonRDS",
    "AWSLambda",
    "amazons3",
    "",
];

const ACCOUNTS: &[&str] = &["1001", "1002", "1003", "1004", ""];

const REGIONS: &[&str] = &[
    "eu-west-1",
    "eu-west-2",
    "EU-WEST-1",
    "us-east-1",
    "us_east_1",
    "ap-south-1",
    "eu-west-1 ",
    "",
];

const NAMES: &[&str] = &[
    "Zürich",
    "zürich",
    "ZÜRICH",
    "Zu\u{308}rich",
    "naïve",
    "nai\u{308}ve",
    "😀",
    "😀😀",
    "𝔘nicode",
    "ß",
    "SS",
    "ss",
    "Ω",
    "\u{2126}",
    "İ",
    "i",
    "I",
    "ı",
    "a b",
    "a-b",
    "ab",
    "A",
    "a",
    "ä",
    "Äpfel",
    "zebra",
    "Éclair",
    "éclair",
    "ｅ",
    "日本",
    "\u{FFFD}",
    "\u{10FFFF}",
    "~",
    "",
];

const TAGS: &[&str] = &[
    "Prod",
    "prod",
    "PROD",
    "dev",
    "Dev",
    "caf\u{e9}",
    "cafe\u{301}",
    "CAF\u{c9}",
    "cafe",
    "test ",
    "test",
    "",
];

fn note(rng: &mut Rng, _: usize) -> String {
    const NOTES: [&str; 20] = [
        "",
        " ",
        "100%",
        "100",
        "a_b",
        "axb",
        "a%b",
        "a\\b",
        "\\",
        "\\\\",
        "%",
        "_",
        "trailing",
        "trailing ",
        "trailing  ",
        "it's",
        "\"quoted\"",
        "line\nbreak",
        "tab\there",
        "ünï%_\\",
    ];
    match rng.below(6) {
        // Longer than a short varlena (126 bytes) and than statistics keep (64), with one start.
        0 => format!("{}{}", "long ".repeat(26), rng.below(4)),
        1 => format!("i-{:04x}", rng.below(1 << 16)),
        _ => rng.pick(&NOTES).to_string(),
    }
}
