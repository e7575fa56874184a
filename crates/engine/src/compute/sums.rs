//! `sum` and `avg` of `double precision`.
//!
//! Postgres adds in the order it happens to read, with one rounding an addition. Here the rounding
//! errors are summed beside the sum (Neumaier), so that the result is the one of exact addition but
//! for the last rounding, however the work was divided between threads. An overflow of finite
//! numbers is an error, as in Postgres (float8pl; for `avg` float8_accum, which also overflows
//! when the sum of squares does).

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Float64Array, PrimitiveArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, UInt64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::{Raised, counts};

/// `sum(double precision)`
pub(crate) fn sum() -> AggregateUDF {
    function(false)
}

/// `avg(double precision)`
pub(crate) fn mean() -> AggregateUDF {
    function(true)
}

fn function(mean: bool) -> AggregateUDF {
    AggregateUDF::from(FloatSum {
        signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable),
        mean,
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FloatSum {
    signature: Signature,
    mean: bool,
}

impl AggregateUDFImpl for FloatSum {
    fn name(&self) -> &str {
        if self.mean { "float_mean" } else { "float_sum" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = arguments.name;
        let field = |part: &str, data_type| {
            Arc::new(Field::new(format!("{name}[{part}]"), data_type, false)) as FieldRef
        };
        Ok(vec![
            field("count", DataType::UInt64),
            field("sum", DataType::Float64),
            field("rounding", DataType::Float64),
            field("squares", DataType::Float64),
        ])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(One(Sums::new(self.mean))))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Sums::new(self.mean)))
    }
}

/// The state of one group.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    sum: f64,
    rounding: f64,
    /// Sum of squared differences from the mean (Youngs and Cramer), for its overflow only.
    squares: f64,
}

impl Sum {
    #[inline]
    fn add(&mut self, value: f64, mean: bool) -> Result<(), Raised> {
        let before = *self;
        self.count += 1;
        self.accumulate(value);
        if mean && before.count > 0 {
            let count = self.count as f64;
            let difference = value * count - self.sum;
            self.squares += difference * difference / (count * before.count as f64);
        }
        self.check(value.is_finite() && before.sum.is_finite())
    }

    fn merge(&mut self, other: &Self, mean: bool) -> Result<(), Raised> {
        if other.count == 0 {
            return Ok(());
        }
        if self.count == 0 {
            *self = *other;
            return Ok(());
        }
        let before = *self;
        self.count += other.count;
        self.accumulate(other.sum);
        self.rounding += other.rounding;
        if mean {
            let (n1, n2) = (before.count as f64, other.count as f64);
            let difference = before.sum / n1 - other.sum / n2;
            self.squares += other.squares + n1 * n2 * difference * difference / (n1 + n2);
        }
        self.check(before.sum.is_finite() && other.sum.is_finite())
    }

    #[inline]
    fn accumulate(&mut self, value: f64) {
        if self.count == 1 {
            // Not added to 0, which would make 0 of -0.
            self.sum = value;
            return;
        }
        let sum = self.sum + value;
        self.rounding += if self.sum.abs() >= value.abs() {
            (self.sum - sum) + value
        } else {
            (value - sum) + self.sum
        };
        self.sum = sum;
    }

    #[inline]
    fn check(&self, finite: bool) -> Result<(), Raised> {
        if finite && (self.sum.is_infinite() || !self.squares.is_finite()) {
            return Err(Raised::FloatOverflow);
        }
        Ok(())
    }

    fn result(&self, mean: bool) -> Option<f64> {
        let total = if self.sum.is_finite() && self.rounding != 0.0 {
            self.sum + self.rounding
        } else {
            self.sum
        };
        match (self.count, mean) {
            (0, _) => None,
            (count, true) => Some(total / count as f64),
            (_, false) => Some(total),
        }
    }
}

/// The state of all groups.
#[derive(Debug)]
struct Sums {
    mean: bool,
    groups: Vec<Sum>,
}

impl Sums {
    fn new(mean: bool) -> Self {
        Self {
            mean,
            groups: Vec::new(),
        }
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Sum> {
        emit_to.take_needed(&mut self.groups)
    }
}

impl GroupsAccumulator for Sums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize(total_num_groups, Sum::default());
        let values = column::<Float64Type>(values, 0)?;
        let mean = self.mean;
        if values.null_count() == 0 && filter.is_none() {
            for (group, value) in group_indices.iter().zip(values.values()) {
                self.groups[*group].add(*value, mean)?;
            }
            return Ok(());
        }
        for (row, group) in group_indices.iter().enumerate() {
            if counts(values, filter, row) {
                self.groups[*group].add(values.value(row), mean)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mean = self.mean;
        let results = self.take(emit_to).into_iter().map(|s| s.result(mean));
        Ok(Arc::new(results.collect::<Float64Array>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(state_of(&self.take(emit_to)))
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize(total_num_groups, Sum::default());
        let mean = self.mean;
        for (group, other) in group_indices.iter().zip(sums_of(values)?) {
            self.groups[*group].merge(&other, mean)?;
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = column::<Float64Type>(values, 0)?;
        let one = |row| match counts(values, filter, row) {
            true => Sum {
                count: 1,
                sum: values.value(row),
                ..Sum::default()
            },
            false => Sum::default(),
        };
        Ok(state_of(&(0..values.len()).map(one).collect::<Vec<_>>()))
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Sum>()
    }
}

/// The same for the one group of an aggregation without keys. One of [`Sums`] would do, but for the
/// group's number of each row, which costs half as much again.
#[derive(Debug)]
struct One(Sums);

impl One {
    fn group(&mut self) -> &mut Sum {
        self.0.groups.resize(1, Sum::default());
        &mut self.0.groups[0]
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mean = self.0.mean;
        let group = self.group();
        for value in column::<Float64Type>(values, 0)?.iter().flatten() {
            group.add(value, mean)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mean = self.0.mean;
        Ok(ScalarValue::Float64(self.group().result(mean)))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let group = *self.group();
        Ok(vec![
            ScalarValue::UInt64(Some(group.count)),
            ScalarValue::Float64(Some(group.sum)),
            ScalarValue::Float64(Some(group.rounding)),
            ScalarValue::Float64(Some(group.squares)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let mean = self.0.mean;
        for other in sums_of(states)? {
            self.group().merge(&other, mean)?;
        }
        Ok(())
    }
}

fn state_of(groups: &[Sum]) -> Vec<ArrayRef> {
    let floats = |part: fn(&Sum) -> f64| {
        Arc::new(Float64Array::from_iter_values(groups.iter().map(part))) as ArrayRef
    };
    vec![
        Arc::new(UInt64Array::from_iter_values(
            groups.iter().map(|g| g.count),
        )),
        floats(|g| g.sum),
        floats(|g| g.rounding),
        floats(|g| g.squares),
    ]
}

fn sums_of(states: &[ArrayRef]) -> Result<impl Iterator<Item = Sum>> {
    let counts = column::<UInt64Type>(states, 0)?;
    let sums = column::<Float64Type>(states, 1)?;
    let roundings = column::<Float64Type>(states, 2)?;
    let squares = column::<Float64Type>(states, 3)?;
    Ok((0..counts.len()).map(|row| Sum {
        count: counts.value(row),
        sum: sums.value(row),
        rounding: roundings.value(row),
        squares: squares.value(row),
    }))
}

fn column<T: ArrowPrimitiveType>(columns: &[ArrayRef], index: usize) -> Result<&PrimitiveArray<T>> {
    let column = columns.get(index).and_then(|c| c.as_primitive_opt::<T>());
    column.ok_or_else(|| DataFusionError::Internal(format!("float_sum without column {index}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(values: &[f64], mean: bool) -> Result<Option<f64>, Raised> {
        let mut sum = Sum::default();
        for value in values {
            sum.add(*value, mean)?;
        }
        Ok(sum.result(mean))
    }

    #[test]
    fn small_amounts_are_not_lost_beside_large_ones() {
        let mut values = vec![1e16];
        values.extend(std::iter::repeat_n(0.01, 1_000_000));
        values.push(-1e16);
        let total = total(&values, false).unwrap().unwrap();
        assert!((total - 10_000.0).abs() < 1e-6, "{total}");
    }

    #[test]
    fn an_overflow_is_an_error_but_infinity_is_a_value() {
        assert_eq!(total(&[1e308, 1e308], false), Err(Raised::FloatOverflow));
        assert_eq!(total(&[1e200, -1e200], true), Err(Raised::FloatOverflow));
        assert_eq!(total(&[f64::INFINITY, 1.0], false), Ok(Some(f64::INFINITY)));
        assert_eq!(total(&[f64::INFINITY, 1.0], true), Ok(Some(f64::INFINITY)));
        let undefined = total(&[f64::INFINITY, f64::NEG_INFINITY], false);
        assert!(undefined.unwrap().unwrap().is_nan());
        assert_eq!(total(&[], false), Ok(None));
    }

    #[test]
    fn a_sum_in_parts_is_the_sum() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i) * 0.1).collect();
        let mut whole = Sum::default();
        for part in values.chunks(7) {
            let mut sum = Sum::default();
            part.iter().for_each(|v| sum.add(*v, true).unwrap());
            whole.merge(&sum, true).unwrap();
        }
        assert_eq!(whole.result(false), total(&values, false).unwrap());
    }
}
