//! What the rows of a batch are billed.

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, StringViewArray};
use arrow::compute;
use arrow::datatypes::DataType;
use billing::ExactSum;

use crate::error::Error;

/// Columns of a table, of which each row's first that says something is what it is billed. There are
/// several where an export has changed its dialect: each month fills its own.
pub struct Costs(Vec<(usize, String)>);

impl Costs {
    /// Of a table with these columns; of none where it is no bill.
    pub fn of(names: &[&str]) -> Self {
        let places = billing::cost_columns(names).into_iter();
        Costs(
            places
                .map(|place| (place, names[place].to_owned()))
                .collect(),
        )
    }

    /// Their names, best first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, name)| name.as_str())
    }

    /// Adds those of all rows.
    ///
    /// # Errors
    /// [`Error::NotMoney`], [`Error::Shape`].
    pub fn add(&self, sum: &mut ExactSum, batch: &RecordBatch) -> Result<(), Error> {
        let mut counted = BooleanArray::new_null(batch.num_rows());
        for (n, (index, name)) in self.0.iter().enumerate() {
            let column = batch.column(*index);
            let shape = |_| shape(column, name);
            let rest = match n {
                0 => column.clone(),
                _ => compute::nullif(column, &counted).map_err(shape)?,
            };
            add(sum, &rest, name)?;
            if n + 1 < self.0.len() {
                counted = match n {
                    0 => says(column).map_err(shape)?,
                    _ => compute::or(&counted, &says(column).map_err(shape)?).map_err(shape)?,
                };
            }
        }
        Ok(())
    }
}

/// Costs are doubles in most files. Where a column was widened they come in other types, and count as
/// what they print as, too.
fn add(sum: &mut ExactSum, column: &ArrayRef, name: &str) -> Result<(), Error> {
    if let Some(costs) = column.as_any().downcast_ref::<Float64Array>() {
        costs.iter().flatten().for_each(|cost| sum.add(cost));
        return Ok(());
    }
    let texts = compute::cast(column, &DataType::Utf8View).map_err(|_| shape(column, name))?;
    let texts = texts.as_any().downcast_ref::<StringViewArray>();
    for text in texts.ok_or_else(|| shape(column, name))?.iter().flatten() {
        let text = text.trim();
        if !text.is_empty() && !sum.add_decimal(text) {
            return Err(Error::NotMoney {
                column: name.to_owned(),
                found: text.to_owned(),
            });
        }
    }
    Ok(())
}

/// In which rows there is a value; an empty text is none.
fn says(column: &ArrayRef) -> Result<BooleanArray, arrow::error::ArrowError> {
    if column.as_any().is::<Float64Array>() {
        return compute::is_not_null(column);
    }
    let texts = compute::cast(column, &DataType::Utf8View)?;
    let texts = texts.as_any().downcast_ref::<StringViewArray>();
    let says = |text: Option<&str>| Some(text.is_some_and(|text| !text.trim().is_empty()));
    Ok(texts.into_iter().flatten().map(says).collect())
}

fn shape(column: &ArrayRef, name: &str) -> Error {
    Error::Shape {
        column: name.to_owned(),
        found: column.data_type().to_string(),
    }
}
