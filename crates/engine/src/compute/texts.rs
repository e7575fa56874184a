//! `nullif` and `coalesce` of texts, without copying any. Bills are full of both: what says nothing is
//! an empty text in one month and NULL in the next.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{interleave, nullif};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// NULL instead of texts that are equal to this one.
pub(super) fn null_if(texts: &StringViewArray, nothing: &str) -> Result<ArrayRef> {
    // A view begins with its text's length.
    let is_as_long = |view: &u128| *view as u32 as usize == nothing.len();
    let views = texts.views();
    if !views.iter().any(is_as_long) {
        return Ok(Arc::new(texts.clone()));
    }
    let is_nothing = BooleanBuffer::collect_bool(texts.len(), |row| {
        is_as_long(&views[row]) && (nothing.is_empty() || texts.value(row) == nothing)
    });
    Ok(nullif(texts, &BooleanArray::from(is_nothing))?)
}

/// The call of `coalesce` with texts that cost next to nothing: all of them are computed.
pub(crate) fn first(texts: Vec<Expr>) -> Expr {
    ScalarUDF::from(First {
        signature: Signature::variadic_any(Volatility::Immutable),
    })
    .call(texts)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct First {
    signature: Signature,
}

impl ScalarUDFImpl for First {
    fn name(&self) -> &str {
        "first_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_null = |value: &ColumnarValue| match value {
            ColumnarValue::Array(array) => array.null_count() == array.len(),
            ColumnarValue::Scalar(value) => value.is_null(),
        };
        let mut texts: Vec<ColumnarValue> = arguments.args;
        texts.retain(|value| !is_null(value));
        // What comes after a text for every row is not asked.
        let always = texts.iter().position(|value| match value {
            ColumnarValue::Array(array) => array.null_count() == 0,
            ColumnarValue::Scalar(_) => true,
        });
        texts.truncate(always.map_or(texts.len(), |index| index + 1));
        if texts.len() < 2 {
            let nothing = ColumnarValue::Scalar(ScalarValue::Utf8View(None));
            return Ok(texts.pop().unwrap_or(nothing));
        }
        Ok(ColumnarValue::Array(chosen(&texts, arguments.number_rows)?))
    }
}

/// Row by row the first that is not NULL; literals are the same in every row.
fn chosen(texts: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let arrays = texts.iter().map(|value| match value {
        ColumnarValue::Array(array) => Ok(Arc::clone(array)),
        ColumnarValue::Scalar(value) => value.to_array(),
    });
    let arrays: Vec<ArrayRef> = arrays.collect::<Result<_>>()?;
    if let Some(other) = arrays.iter().find(|a| a.as_string_view_opt().is_none()) {
        let message = format!("first_text of {}", other.data_type());
        return Err(DataFusionError::Internal(message));
    }
    let is_literal = |index: usize| matches!(texts[index], ColumnarValue::Scalar(_));
    let place = |row: usize| {
        let says = |index: &usize| is_literal(*index) || arrays[*index].is_valid(row);
        match (0..arrays.len()).find(says) {
            Some(index) if is_literal(index) => (index, 0),
            Some(index) => (index, row),
            // NULL there, too. Only the last is a literal, for nothing comes after one.
            None => (0, row),
        }
    };
    let places: Vec<(usize, usize)> = (0..rows).map(place).collect();
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    Ok(interleave(&arrays, &places)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::Field;
    use datafusion::config::ConfigOptions;
    use proptest::prelude::*;

    type Texts = Vec<Option<String>>;

    /// Empty, NULL, short ones within their view and long ones outside of it.
    fn texts(rows: usize) -> impl Strategy<Value = Texts> {
        let text = prop_oneof![
            3 => Just(Some(String::new())),
            2 => Just(None),
            2 => "[a-zä]{1,12}".prop_map(Some),
            2 => "[a-zä]{13,40}".prop_map(Some),
        ];
        proptest::collection::vec(text, rows)
    }

    fn array(texts: &Texts) -> StringViewArray {
        texts.iter().map(Option::as_deref).collect()
    }

    fn listed(array: &StringViewArray) -> Texts {
        array.iter().map(|t| t.map(str::to_owned)).collect()
    }

    fn first_of(arguments: Vec<ColumnarValue>, rows: usize) -> Result<Texts> {
        let field = Arc::new(Field::new("text", DataType::Utf8View, true));
        let call = First {
            signature: Signature::variadic_any(Volatility::Immutable),
        };
        let value = call.invoke_with_args(ScalarFunctionArgs {
            arg_fields: vec![field.clone(); arguments.len()],
            args: arguments,
            number_rows: rows,
            return_field: field,
            config_options: Arc::new(ConfigOptions::default()),
        })?;
        Ok(listed(value.into_array(rows)?.as_string_view()))
    }

    proptest! {
        #[test]
        fn nothing_becomes_null_and_all_else_stays(
            texts in (0..70_usize).prop_flat_map(texts),
            nothing in prop_oneof![Just(String::new()), "[a-z]{1}", "[a-z]{14}"],
            skipped in 0..5_usize,
        ) {
            let skipped = skipped.min(texts.len());
            // A part of an array, whose bitmaps do not begin with a byte.
            let part = array(&texts).slice(skipped, texts.len() - skipped);
            let expected: Texts = texts[skipped..].iter().cloned().map(|t| t.filter(|t| *t != nothing)).collect();
            prop_assert_eq!(listed(null_if(&part, &nothing).unwrap().as_string_view()), expected);
        }

        #[test]
        fn each_row_has_its_first_text(
            (rows, columns) in (0..70_usize).prop_flat_map(|rows| {
                (Just(rows), proptest::collection::vec(texts(rows), 1..4))
            }),
            literal in prop_oneof![
                Just(None),
                Just(Some(None)),
                "[a-z]{0,20}".prop_map(|t| Some(Some(t))),
            ],
        ) {
            let said = columns.iter().map(|c| null_if(&array(c), "").unwrap());
            let mut arguments: Vec<_> = said.map(ColumnarValue::Array).collect();
            arguments.extend(literal.clone().map(|l| ColumnarValue::Scalar(ScalarValue::Utf8View(l))));
            let expected: Texts = (0..rows)
                .map(|row| {
                    let said = columns.iter().find_map(|c| c[row].clone().filter(|t| !t.is_empty()));
                    said.or(literal.clone().flatten())
                })
                .collect();
            prop_assert_eq!(first_of(arguments, rows).unwrap(), expected);
        }
    }
}
