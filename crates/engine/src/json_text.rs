//! Values of Parquet files as JSON: maps and lists, and what stands in their place in other files.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StringBuilder};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};

/// The JSON of each value: a map is an object, and so is a list of keys and values, as which tools
/// write maps again. What is NULL within is null.
pub(crate) fn json_text(array: &dyn Array) -> Result<ArrayRef, ArrowError> {
    let map = array.as_list_opt().and_then(as_map);
    let array = map.as_ref().map_or(array, |map| map as &dyn Array);
    let field = Arc::new(Field::new("", array.data_type().clone(), true));
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(&field, array, &options)?;
    let mut texts = StringBuilder::with_capacity(array.len(), 0);
    let mut json = Vec::new();
    for row in 0..array.len() {
        if encoder.is_null(row) {
            texts.append_null();
            continue;
        }
        json.clear();
        encoder.encode(row, &mut json);
        let json = str::from_utf8(&json).map_err(|e| ArrowError::JsonError(e.to_string()))?;
        texts.append_value(json);
    }
    Ok(Arc::new(texts.finish()))
}

/// A list of structs of a key and a value as a map, if every key is there.
fn as_map(list: &ListArray) -> Option<MapArray> {
    let entries = list.values().as_struct_opt()?;
    let [key, value] = entries.fields().as_ref() else {
        return None;
    };
    let named = key.name() == "key" && value.name() == "value";
    let keyed = key.data_type() == &DataType::Utf8 && entries.column(0).null_count() == 0;
    if !named || !keyed || entries.null_count() > 0 {
        return None;
    }
    let key = Arc::new(key.as_ref().clone().with_nullable(false));
    let fields = vec![key, value.clone()].into();
    let (_, columns, _) = entries.clone().into_parts();
    let entries = arrow::array::StructArray::try_new(fields, columns, None).ok()?;
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
    MapArray::try_new(field, offsets, entries, nulls, false).ok()
}
