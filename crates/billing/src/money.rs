//! Money: sums of doubles as the decimals they stand for.

use std::fmt;

/// The exact decimal sum of doubles.
///
/// Providers write amounts such as 0.1 as doubles, which are not 0.1. Each value is taken for
/// the shortest decimal that reads back as the same double, which is what Postgres prints it as
/// (common/d2s.c) and what was billed; these decimals are added without any rounding. Any magnitude and any
/// number of values fit.
#[derive(Clone, Debug, Default)]
pub struct ExactSum {
    /// Units of 10^[`COMMON_EXPONENT`], where almost all amounts of a bill fit.
    common: i128,
    /// Exponents, in order, and units of their power of ten: for all others and for what `common`
    /// cannot hold. Few, so that a list is found faster than a tree, and made without one, too.
    others: Vec<(i32, i128)>,
    /// The sum of what is no number: 0 as long as there is none.
    irregular: f64,
}

/// A part in [`ExactSum::to_bytes`]: an exponent and its units.
const PART_BYTES: usize = size_of::<i32>() + size_of::<i128>();

/// Rates, and so most costs, have at most ten places.
const COMMON_EXPONENT: i32 = -10;
const COMMON_SCALE: f64 = POWERS_OF_TEN[-COMMON_EXPONENT as usize];
/// All that a double holds exactly.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Any decimal of at most 15 digits survives the way through a double.
const FAITHFUL: i64 = 1_000_000_000_000_000;
/// What a full counter passes on to the counter [`CARRY_DIGITS`] places above.
const CARRY: i128 = 10_i128.pow(CARRY_DIGITS as u32);
const CARRY_DIGITS: i32 = 20;

impl ExactSum {
    /// Adds one value. NaN and the infinities make a sum that is one of them, as Postgres's
    /// `numeric` does.
    #[inline]
    pub fn add(&mut self, value: f64) {
        // Most of a bill's amounts.
        if value == 0.0 {
            return;
        }
        match common_units(value) {
            Some(units) => self.add_units(COMMON_EXPONENT, units.into()),
            None => self.add_uncommon(value),
        }
    }

    fn add_uncommon(&mut self, value: f64) {
        if value.is_finite() {
            let (units, exponent) = fitting_units(value).unwrap_or_else(|| shortest(value));
            self.add_units(exponent, units.into());
        } else {
            self.irregular += value;
        }
    }

    /// Adds a decimal as SQL and Arrow spell it, such as `-12.5` or `1.25E-7`. False, and nothing is
    /// added, for a text that is no decimal.
    pub fn add_decimal(&mut self, text: &str) -> bool {
        let Some(decimal) = Decimal::parse(text) else {
            return false;
        };
        let chunks = decimal.digits.rchunks(CHUNK).zip(0_i32..);
        for (chunk, place) in chunks {
            let units = chunk.iter().fold(0, |n, d| n * 10 + i128::from(d - b'0'));
            let units = if decimal.negative { -units } else { units };
            self.add_units(decimal.exponent + place * CHUNK as i32, units);
        }
        true
    }

    /// Adds all that another sum holds, as if its values had been added here.
    pub fn merge(&mut self, other: &Self) {
        for (exponent, units) in other.parts() {
            self.add_units(exponent, units);
        }
        self.irregular += other.irregular;
    }

    /// Whether all values were numbers.
    pub fn is_finite(&self) -> bool {
        self.irregular == 0.0
    }

    /// Bytes on the heap, about.
    pub fn heap_size(&self) -> usize {
        self.others.capacity() * size_of::<(i32, i128)>()
    }

    /// The sum as bytes, for [`ExactSum::from_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.irregular.to_le_bytes().to_vec();
        for (exponent, units) in self.parts() {
            bytes.extend(exponent.to_le_bytes());
            bytes.extend(units.to_le_bytes());
        }
        bytes
    }

    /// The sum that [`ExactSum::to_bytes`] wrote, or `None` for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (irregular, parts) = bytes.split_first_chunk()?;
        let mut sum = Self {
            irregular: f64::from_le_bytes(*irregular),
            ..Self::default()
        };
        let parts = parts.chunks(PART_BYTES);
        for part in parts {
            let (exponent, units) = part.split_first_chunk()?;
            let units = i128::from_le_bytes(units.try_into().ok()?);
            sum.add_units(i32::from_le_bytes(*exponent), units);
        }
        Some(sum)
    }

    #[inline]
    fn add_units(&mut self, exponent: i32, units: i128) {
        let counter = self.counter(exponent);
        match counter.checked_add(units) {
            Some(sum) => *counter = sum,
            None => self.carry(exponent, units),
        }
    }

    /// Adds where a counter would overflow: its upper digits move up to make room.
    #[cold]
    fn carry(&mut self, exponent: i32, units: i128) {
        let counter = self.counter(exponent);
        let upper = *counter / CARRY + units / CARRY;
        *counter = *counter % CARRY + units % CARRY;
        self.add_units(exponent + CARRY_DIGITS, upper);
    }

    #[inline]
    fn counter(&mut self, exponent: i32) -> &mut i128 {
        if exponent == COMMON_EXPONENT {
            return &mut self.common;
        }
        let index = match self.others.binary_search_by_key(&exponent, |(e, _)| *e) {
            Ok(index) => index,
            Err(index) => {
                self.others.insert(index, (exponent, 0));
                index
            }
        };
        &mut self.others[index].1
    }

    fn parts(&self) -> impl Iterator<Item = (i32, i128)> {
        std::iter::once((COMMON_EXPONENT, self.common)).chain(self.others.iter().copied())
    }

    /// The sum's sign and decimal digits from the smallest place up, and that place.
    fn digits(&self) -> (bool, Vec<u8>, i32) {
        let lowest = self
            .parts()
            .map(|(exponent, _)| exponent)
            .min()
            .unwrap_or(0);
        let mut places: Vec<i64> = Vec::new();
        for (exponent, units) in self.parts() {
            spread(&mut places, (exponent - lowest) as usize, units);
        }
        match carried(&places) {
            Some(digits) => (false, digits, lowest),
            None => {
                places.iter_mut().for_each(|place| *place = -*place);
                (true, carried(&places).unwrap_or_default(), lowest)
            }
        }
    }
}

/// Digits that surely fit a counter.
const CHUNK: usize = 30;

/// The parts of a decimal's spelling.
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i32,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let negative = number.starts_with('-');
        let number = number.strip_prefix(['-', '+']).unwrap_or(number);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = [whole.as_bytes(), fraction.as_bytes()].concat();
        // What numeric_in accepts; and an exponent beyond it must not cost memory here.
        let plausible = exponent.unsigned_abs() <= 1_000 && fraction.len() <= 16_383;
        let is_decimal = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        (plausible && is_decimal).then(|| Self {
            negative,
            digits,
            exponent: exponent - fraction.len() as i32,
        })
    }
}

/// The value in units of the common exponent, if that is what it prints as.
///
/// A decimal of up to 15 digits is the only such one that reads as its double, so if one does
/// (both operands of the division are exact, so it rounds as reading does), it is the shortest.
#[inline]
fn common_units(value: f64) -> Option<i64> {
    // The cast truncates and saturates, NaN gives 0: a wrong guess fails the check below.
    scaled(value, COMMON_SCALE)
}

/// The same in units of the power of ten that leaves 15 digits, so that a decimal of up to 15 digits is
/// found whatever its places, and far faster than by printing it.
fn fitting_units(value: f64) -> Option<(i64, i32)> {
    let binary_exponent = (value.to_bits() >> 52 & 0x7ff) as i32 - 1023;
    // Its decimal exponent, or one less: log10(2) is a little more than 1233/4096.
    let magnitude = (binary_exponent * 1233) >> 12;
    let mut places =
        (14 - magnitude).clamp(-COMMON_EXPONENT, POWERS_OF_TEN.len() as i32 - 1) as usize;
    if (value * POWERS_OF_TEN[places]).abs() >= FAITHFUL as f64 {
        places -= 1;
    }
    Some((scaled(value, POWERS_OF_TEN[places])?, -(places as i32)))
}

#[inline]
fn scaled(value: f64, scale: f64) -> Option<i64> {
    let units = (value * scale + 0.5_f64.copysign(value)) as i64;
    let faithful = -FAITHFUL < units && units < FAITHFUL && units as f64 / scale == value;
    faithful.then_some(units)
}

/// The value as an integer of at most 17 digits times a power of ten. Finite values only.
fn shortest(value: f64) -> (i64, i32) {
    let mut printed = zmij::Buffer::new();
    let text = printed.format_finite(value).as_bytes();
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (number, exponent) = match unsigned.iter().position(|b| *b == b'e') {
        Some(place) => (&unsigned[..place], exponent(&unsigned[place + 1..])),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match number.iter().position(|b| *b == b'.') {
        Some(place) => (&number[..place], &number[place + 1..]),
        None => (number, &[][..]),
    };
    let units = read_digits(read_digits(0, whole), fraction);
    let units = if text.len() > unsigned.len() {
        -units
    } else {
        units
    };
    (units, exponent - fraction.len() as i32)
}

fn exponent(text: &[u8]) -> i32 {
    match text {
        [b'-', digits @ ..] => -(read_digits(0, digits) as i32),
        [b'+', digits @ ..] | digits => read_digits(0, digits) as i32,
    }
}

/// The digits written behind those of a number.
fn read_digits(number: i64, digits: &[u8]) -> i64 {
    let (eights, rest) = digits.as_chunks::<8>();
    let number = eights
        .iter()
        .fold(number, |n, eight| n * 100_000_000 + eight_digits(*eight));
    rest.iter()
        .fold(number, |n, digit| n * 10 + i64::from(digit - b'0'))
}

/// All at once: pairs of digits, then pairs of these, and of these again.
fn eight_digits(digits: [u8; 8]) -> i64 {
    let ones = u64::from_le_bytes(digits) & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (ones.wrapping_mul((10 << 8) + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul((100 << 16) + 1) >> 16) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul((10_000 << 32) + 1) >> 32) as i64
}

/// Adds a number to a row of decimal places, at `start` and above, without carrying.
fn spread(places: &mut Vec<i64>, start: usize, mut units: i128) {
    let mut place = start;
    while units != 0 {
        if places.len() <= place {
            places.resize(place + 1, 0);
        }
        places[place] += (units % 10) as i64;
        units /= 10;
        place += 1;
    }
}

/// Carries a row of places into digits; `None` if the number is negative.
fn carried(places: &[i64]) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(places.len() + 20);
    let mut carry = 0;
    for place in places {
        let sum = place + carry;
        digits.push(sum.rem_euclid(10) as u8);
        carry = sum.div_euclid(10);
    }
    while carry > 0 {
        digits.push((carry % 10) as u8);
        carry /= 10;
    }
    (carry == 0).then_some(digits)
}

fn common_text(units: i128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const UNIT: u128 = COMMON_SCALE as u128;
    let sign = if units < 0 { "-" } else { "" };
    let (whole, mut fraction) = (units.unsigned_abs() / UNIT, units.unsigned_abs() % UNIT);
    write!(f, "{sign}{whole}")?;
    if fraction == 0 {
        return Ok(());
    }
    let mut places = COMMON_EXPONENT.unsigned_abs() as usize;
    while fraction % 10 == 0 {
        fraction /= 10;
        places -= 1;
    }
    write!(f, ".{fraction:0places$}")
}

/// Equal sums are equal, whatever values they were made of.
impl PartialEq for ExactSum {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for ExactSum {}

/// Plain decimal notation that Postgres's `numeric` reads: no exponent, no trailing zeros. A sum of
/// what is no number is `NaN`, `Infinity` or `-Infinity`.
impl fmt::Display for ExactSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_finite() {
            return f.write_str(match self.irregular {
                f64::INFINITY => "Infinity",
                f64::NEG_INFINITY => "-Infinity",
                _ => "NaN",
            });
        }
        if self.others.is_empty() {
            return common_text(self.common, f);
        }
        let (negative, mut digits, lowest) = self.digits();
        // All places from the lowest, or from the ones, up to at least the ones.
        if lowest > 0 {
            digits.splice(0..0, std::iter::repeat_n(0, lowest as usize));
        }
        let fraction = lowest.min(0).unsigned_abs() as usize;
        digits.resize(digits.len().max(fraction + 1), 0);
        let mut text: String = digits
            .iter()
            .rev()
            .map(|digit| char::from(b'0' + digit))
            .collect();
        text.insert(text.len() - fraction, '.');
        let text = text
            .trim_end_matches('0')
            .trim_end_matches('.')
            .trim_start_matches('0');
        let zero = if text.is_empty() || text.starts_with('.') {
            "0"
        } else {
            ""
        };
        let sign = if negative { "-" } else { "" };
        write!(f, "{sign}{zero}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        values.iter().for_each(|value| sum.add(*value));
        sum
    }

    #[test]
    fn sums_are_those_of_the_printed_decimals() {
        for (values, expected) in [
            (&[][..], "0"),
            (&[0.1, 0.2], "0.3"),
            (&[-0.0], "0"),
            (&[0.1, -0.1], "0"),
            (&[1e22, 1.0, -1e22], "1"),
            (&[100.0], "100"),
            (&[-0.5], "-0.5"),
            (&[-1.0, 0.25], "-0.75"),
            (&[1e15, 0.1], "1000000000000000.1"),
            (&[4064.4831315379, 1e-17], "4064.48313153790000001"),
            (&[0.1 + 0.2], "0.30000000000000004"),
            (&[1e5, 1e-10], "100000.0000000001"),
            (&[9_007_199_254_740_993.0], "9007199254740992"),
        ] {
            assert_eq!(sum(values).to_string(), expected, "{values:?}");
        }
    }

    #[test]
    fn decimals_are_added_as_they_are_written() {
        let mut sum = ExactSum::default();
        let long = format!("0.{}7", "0".repeat(40));
        for text in ["12", "-0.5", "+1.25E-7", "1e3", ".5", "7.", &long] {
            assert!(sum.add_decimal(text), "{text}");
        }
        let expected = format!("1019.000000125{}7", "0".repeat(31));
        assert_eq!(sum.to_string(), expected);
        for text in [
            "", "-", ".", "e5", "1e", "1,5", "0x1", "NaN", "1e99999", "1 2",
        ] {
            assert!(!sum.add_decimal(text), "{text}");
        }
        assert_eq!(sum.to_string(), expected);
    }

    #[test]
    fn the_ends_of_the_double_range_are_exact() {
        assert_eq!(
            sum(&[5e-324]).to_string(),
            format!("0.{}5", "0".repeat(323))
        );
        assert_eq!(sum(&[1e308]).to_string(), format!("1{}", "0".repeat(308)));
        assert_eq!(
            sum(&[1e308, -5e-324]).to_string(),
            format!("{}.{}5", "9".repeat(308), "9".repeat(323))
        );
        assert_eq!(
            sum(&[f64::MAX, f64::MAX]).to_string(),
            format!("35953862697246314{}", "0".repeat(292))
        );
    }

    #[test]
    fn what_is_no_number_is_not_lost() {
        for (values, expected) in [
            (&[1.5, f64::INFINITY][..], "Infinity"),
            (&[f64::NEG_INFINITY, 1.5], "-Infinity"),
            (&[f64::INFINITY, 1.5, f64::NEG_INFINITY], "NaN"),
            (&[f64::NAN, 1.5], "NaN"),
        ] {
            let mut sum = sum(values);
            assert_eq!(
                (sum.to_string().as_str(), sum.is_finite()),
                (expected, false)
            );
            sum.merge(&sum.clone());
            assert_eq!(sum.to_string(), expected);
        }
    }

    #[test]
    fn doubling_past_every_counter_carries_instead_of_overflowing() {
        for (value, start) in [
            (0.7, "7"),
            (-0.7, "7"),
            (0.1 + 0.2, "30000000000000004"),
            (-1.7e300, "17"),
        ] {
            let mut total = sum(&[value]);
            let mut digits = start.to_owned();
            for _ in 0..400 {
                total.merge(&total.clone());
                digits = add(&digits, &digits);
            }
            let shown = total.to_string();
            assert_eq!(shown.starts_with('-'), value < 0.0);
            let shown = shown.replace(['-', '.'], "");
            assert_eq!(shown.trim_matches('0'), digits.trim_matches('0'), "{value}");
        }
    }

    #[test]
    fn equality_is_of_sums_and_not_of_how_they_came_about() {
        assert_eq!(sum(&[1e22, 0.5, -1e22]), sum(&[0.25, 0.25]));
        assert_ne!(sum(&[0.5]), sum(&[0.5, f64::NAN]));
        assert_eq!(sum(&[f64::NAN]), sum(&[0.5, f64::NAN]));
        assert_ne!(sum(&[0.5]), sum(&[-0.5]));
    }

    #[test]
    fn the_short_cut_is_taken_by_bills_and_never_changes_a_value() {
        for value in [0.0116, 4e-10, 0.0034722222, 99_999.999_999_999_9, 12.0] {
            assert!(common_units(value).is_some(), "{value}");
        }
        for value in [
            f64::NAN,
            f64::INFINITY,
            1e300,
            5e-324,
            0.1 + 0.2,
            1e-11,
            1e5,
        ] {
            assert_eq!(common_units(value), None, "{value}");
        }
    }

    // Schoolbook arithmetic on digit strings: slow, and with nothing in common with the above.

    fn add(a: &str, b: &str) -> String {
        let width = a.len().max(b.len()) + 1;
        let (a, b) = (format!("{a:0>width$}"), format!("{b:0>width$}"));
        let mut carry = 0;
        let mut digits: Vec<u8> = Vec::new();
        for (x, y) in a.bytes().zip(b.bytes()).rev() {
            let s = x - b'0' + y - b'0' + carry;
            digits.push(b'0' + s % 10);
            carry = s / 10;
        }
        digits.reverse();
        String::from_utf8(digits).unwrap()
    }

    fn subtract(a: &str, b: &str) -> String {
        let mut borrow = 0;
        let mut digits: Vec<u8> = Vec::new();
        for (x, y) in a.bytes().zip(b.bytes()).rev() {
            let (x, y) = (x - b'0', y - b'0' + borrow);
            borrow = u8::from(x < y);
            digits.push(b'0' + (x + 10 * borrow - y));
        }
        digits.reverse();
        String::from_utf8(digits).unwrap()
    }

    /// The value in units of 1e-400, as digits.
    fn scaled(value: f64) -> String {
        // As Postgres prints doubles (common/d2s.c): of two that are equally near, the even one.
        let mut buffer = ryu::Buffer::new();
        let printed = buffer.format_finite(value.abs());
        let (mantissa, exponent) = printed.split_once('e').unwrap_or((printed, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let zeros = 400 + exponent.parse::<i32>().unwrap() - fraction.len() as i32;
        format!("{whole}{fraction}{}", "0".repeat(zeros as usize))
    }

    fn reference(values: &[f64]) -> String {
        let total = |negative: bool| {
            let chosen = values.iter().filter(|v| v.is_sign_negative() == negative);
            let total = chosen.fold(String::new(), |sum, value| add(&sum, &scaled(*value)));
            format!("{total:0>900}")
        };
        let (gains, losses) = (total(false), total(true));
        let (gains, losses) = (gains.as_str(), losses.as_str());
        let (sign, digits) = match gains.len().cmp(&losses.len()).then(gains.cmp(losses)) {
            Ordering::Less => ("-", subtract(losses, gains)),
            Ordering::Equal => return "0".to_owned(),
            Ordering::Greater => ("", subtract(gains, losses)),
        };
        let (whole, fraction) = digits.split_at(digits.len() - 400);
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        match fraction.trim_end_matches('0') {
            "" => format!("{sign}{whole}"),
            fraction => format!("{sign}{whole}.{fraction}"),
        }
    }

    fn amount() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>()
                .prop_map(f64::from_bits)
                .prop_filter("finite", |v| v.is_finite()),
            -1e6..1e6_f64,
            (-100_000_000_000_i64..100_000_000_000, 0..12)
                .prop_map(|(m, e)| m as f64 / 10_f64.powi(e)),
            (-2_000_000_000_000_000_i64..2_000_000_000_000_000).prop_map(|m| m as f64 / 1e10),
            (-2_000_000_000_000_000_i64..2_000_000_000_000_000, 10..30).prop_map(|(m, e)| format!(
                "{m}e-{e}"
            )
            .parse()
            .unwrap()),
            // Midway between two decimals.
            (-99_999_999_999_999_i64..99_999_999_999_999, 0..64)
                .prop_map(|(n, k)| n as f64 + f64::from(k) / 64.0),
            Just(-0.0),
            Just(f64::MIN_POSITIVE),
        ]
    }

    proptest! {
        #[test]
        fn every_value_is_the_decimal_it_prints_as(value in amount()) {
            prop_assert_eq!(sum(&[value]).to_string(), reference(&[value]));
            prop_assert_eq!(sum(&[value]).to_string().parse::<f64>().unwrap(), value);
            let (units, exponent) = shortest(value);
            prop_assert_eq!(format!("{units}e{exponent}").parse::<f64>().unwrap(), value);
        }

        #[test]
        fn sums_equal_schoolbook_arithmetic(values in proptest::collection::vec(amount(), 0..40)) {
            prop_assert_eq!(sum(&values).to_string(), reference(&values));
        }

        #[test]
        fn how_values_are_split_and_ordered_does_not_matter(
            values in proptest::collection::vec(amount(), 0..40),
            at in any::<prop::sample::Index>(),
        ) {
            let (left, right) = values.split_at(at.index(values.len() + 1));
            let mut merged = sum(right);
            merged.merge(&ExactSum::from_bytes(&sum(left).to_bytes()).unwrap());
            prop_assert_eq!(merged, sum(&values));
        }
    }
}
