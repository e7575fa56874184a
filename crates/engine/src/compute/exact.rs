//! `exact_sum(double precision)`: the sum of the decimals that doubles print as.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, StringViewArray};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use billing::ExactSum;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::counts;

/// The aggregate; its result is the decimal's spelling.
pub(crate) fn sum() -> AggregateUDF {
    AggregateUDF::from(Exact {
        signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact {
    signature: Signature,
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        "exact_sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format!("{}[sum]", arguments.name);
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(One(Sums::default())))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Sums::default()))
    }
}

/// The sums of all groups; `None` for a group without values.
#[derive(Debug, Default)]
struct Sums {
    groups: Vec<Option<ExactSum>>,
    /// Bytes that the sums hold on the heap.
    heap: usize,
}

impl Sums {
    #[inline]
    fn change(&mut self, group: usize, change: impl FnOnce(&mut ExactSum)) {
        let sum = self.groups[group].get_or_insert_default();
        let before = sum.heap_size();
        change(sum);
        self.heap += sum.heap_size() - before;
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Option<ExactSum>> {
        let taken: Vec<Option<ExactSum>> = emit_to.take_needed(&mut self.groups);
        self.heap -= taken
            .iter()
            .flatten()
            .map(ExactSum::heap_size)
            .sum::<usize>();
        taken
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
        self.groups.resize(total_num_groups, None);
        let values = floats(values)?;
        for (row, group) in group_indices.iter().enumerate() {
            if counts(values, filter, row) {
                self.change(*group, |sum| sum.add(values.value(row)));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = self.take(emit_to).into_iter();
        let texts = sums.map(|sum| sum.map(|s| s.to_string()));
        Ok(Arc::new(texts.collect::<StringViewArray>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![state_of(self.take(emit_to))])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize(total_num_groups, None);
        for (group, state) in group_indices.iter().zip(states(values)?) {
            if let Some(other) = decoded(state)? {
                self.change(*group, |sum| sum.merge(&other));
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = floats(values)?;
        let one = |row| {
            counts(values, filter, row).then(|| {
                let mut sum = ExactSum::default();
                sum.add(values.value(row));
                sum
            })
        };
        Ok(vec![state_of((0..values.len()).map(one))])
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Option<ExactSum>>() + self.heap
    }
}

/// The same for the one group of an aggregation without keys.
#[derive(Debug)]
struct One(Sums);

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.groups.resize(1, None);
        for value in floats(values)?.iter().flatten() {
            self.0.change(0, |sum| sum.add(value));
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.0.groups.first().and_then(Option::as_ref);
        Ok(ScalarValue::Utf8View(sum.map(ToString::to_string)))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + GroupsAccumulator::size(&self.0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sum = self.0.groups.first().and_then(Option::as_ref);
        Ok(vec![ScalarValue::Binary(sum.map(ExactSum::to_bytes))])
    }

    fn merge_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.groups.resize(1, None);
        for state in states(values)? {
            if let Some(other) = decoded(state)? {
                self.0.change(0, |sum| sum.merge(&other));
            }
        }
        Ok(())
    }
}

fn state_of(sums: impl IntoIterator<Item = Option<ExactSum>>) -> ArrayRef {
    let states = sums.into_iter().map(|sum| sum.map(|s| s.to_bytes()));
    Arc::new(states.collect::<BinaryArray>())
}

fn decoded(state: Option<&[u8]>) -> Result<Option<ExactSum>> {
    let Some(bytes) = state else {
        return Ok(None);
    };
    let sum = ExactSum::from_bytes(bytes);
    sum.map(Some).ok_or_else(|| misuse("another state"))
}

fn floats(values: &[ArrayRef]) -> Result<&Float64Array> {
    let column = values
        .first()
        .and_then(|c| c.as_primitive_opt::<Float64Type>());
    column.ok_or_else(|| misuse("another type"))
}

fn states(values: &[ArrayRef]) -> Result<impl Iterator<Item = Option<&[u8]>>> {
    let column = values.first().and_then(|c| c.as_binary_opt::<i32>());
    Ok(column.ok_or_else(|| misuse("another state"))?.iter())
}

fn misuse(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("exact_sum of {what}"))
}
