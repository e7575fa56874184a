//! Postgres's functions, where DataFusion's of the same name differ from them.

pub(crate) mod calendar;
pub(crate) mod exact;
pub(crate) mod float;
pub(crate) mod like;
pub(crate) mod sums;
pub(crate) mod texts;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, StringViewArray, make_array,
};
use arrow::compute::CastOptions;
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::expr::{Part, Unit};
use crate::json_text::json_text;
use crate::{Kind, json};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use like::Pattern;

/// An error that computing raises, in Postgres's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Raised {
    /// A float that is too large (SQLSTATE 22003; Postgres, utils/adt/float.c).
    #[error("value out of range: overflow")]
    FloatOverflow,
    /// A date that no `timestamp` can hold (SQLSTATE 22008; Postgres, utils/adt/date.c).
    #[error("date out of range for timestamp")]
    DateOutOfRange,
    /// A timestamp before 4713 BC (SQLSTATE 22008; Postgres, utils/adt/timestamp.c).
    #[error("timestamp out of range")]
    TimestampOutOfRange,
    /// A pattern that ends with a backslash (SQLSTATE 22025; Postgres, utils/adt/like_match.c).
    #[error("LIKE pattern must not end with escape character")]
    LikeEscape,
}

impl Raised {
    /// The error of this kind that a message speaks of. The Parquet reader keeps only the text of
    /// what a filter raises, in Rust's spelling.
    pub(crate) fn in_message(message: &str) -> Option<Self> {
        [
            Self::FloatOverflow,
            Self::DateOutOfRange,
            Self::TimestampOutOfRange,
            Self::LikeEscape,
        ]
        .into_iter()
        .find(|raised| message.contains(&format!("External({raised:?})")))
    }
}

impl From<Raised> for DataFusionError {
    fn from(raised: Raised) -> Self {
        Self::External(Box::new(raised))
    }
}

/// A function of one argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kernel {
    /// `double precision` in which all NaN are one and -0 is 0.
    Canonical,
    /// `double precision` as a `bigint` that sorts as Postgres sorts floats, and -0 before 0.
    OrderKey,
    /// The inverse of `OrderKey`.
    FromOrderKey,
    /// `date_trunc` of a `timestamp`.
    DateTrunc(Unit),
    /// `extract` of a `timestamp`.
    Extract(Part),
    /// `timestamp::date`
    ToDate,
    /// `date::timestamp`
    ToTimestamp,
    /// The same for comparisons: beyond the range of `timestamp` its greatest value but one.
    ToComparable,
    /// `text LIKE pattern`
    Like(Arc<Pattern>),
    /// `starts_with(text, prefix)`
    StartsWith(String),
    /// `nullif(text, nothing)`
    NullIf(String),
    /// The region of an availability zone.
    RegionOfZone,
    /// A conversion that loses nothing, out of the optimizer's sight: it would compare the value
    /// before the conversion with the other side converted back, which may lose something.
    Convert(DataType),
    /// A map, a list, a number or the like as JSON.
    ToJson,
    /// The JSON that text means, of the column of this name in the files.
    TextToJson(String),
    /// The value itself. DataFusion reads no condition on it into the files: the decoder of Parquet
    /// passes over conditions on maps and lists, whose columns a file only shows when it is opened.
    AboveScan,
}

impl Kernel {
    /// The call of this function.
    pub(crate) fn call(self, argument: Expr) -> Expr {
        self.function().call(vec![argument])
    }

    /// The call of this function in a physical plan.
    pub(crate) fn call_physical(
        self,
        argument: Arc<dyn PhysicalExpr>,
        schema: &Schema,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let function = Arc::new(self.function());
        let call = ScalarFunctionExpr::try_new(function, vec![argument], schema, Arc::default())?;
        Ok(Arc::new(call))
    }

    fn function(self) -> ScalarUDF {
        let volatility = match self {
            Self::AboveScan => Volatility::Volatile,
            _ => Volatility::Immutable,
        };
        ScalarUDF::from(KernelFunction {
            signature: Signature::any(1, volatility),
            kernel: self,
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Canonical => "canonical",
            Self::OrderKey => "order_key",
            Self::FromOrderKey => "from_order_key",
            Self::DateTrunc(_) => "date_trunc",
            Self::Extract(_) => "extract",
            Self::ToDate => "to_date",
            Self::ToTimestamp => "to_timestamp",
            Self::ToComparable => "to_comparable",
            Self::Like(_) => "like",
            Self::StartsWith(_) => "starts_with",
            Self::NullIf(_) => "null_if",
            Self::RegionOfZone => "region_of_zone",
            Self::Convert(_) => "convert",
            Self::ToJson => "to_json",
            Self::TextToJson(_) => "text_to_json",
            Self::AboveScan => "above_scan",
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Canonical | Self::FromOrderKey => DataType::Float64,
            Self::OrderKey | Self::Extract(_) => DataType::Int64,
            Self::DateTrunc(_) | Self::ToTimestamp | Self::ToComparable => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            Self::ToDate => DataType::Date32,
            Self::Like(_) | Self::StartsWith(_) => DataType::Boolean,
            Self::NullIf(_) | Self::RegionOfZone => DataType::Utf8View,
            Self::Convert(to) => to.clone(),
            Self::ToJson | Self::TextToJson(_) | Self::AboveScan => Kind::Jsonb.arrow(),
        }
    }

    fn apply(&self, array: &dyn Array) -> Result<ArrayRef> {
        let floats = || {
            array
                .as_primitive_opt::<Float64Type>()
                .ok_or_else(|| self.misuse(array))
        };
        let timestamps = || {
            array
                .as_primitive_opt::<TimestampMicrosecondType>()
                .ok_or_else(|| self.misuse(array))
        };
        let dates = || {
            array
                .as_primitive_opt::<Date32Type>()
                .ok_or_else(|| self.misuse(array))
        };
        let texts = || array.as_string_view_opt().ok_or_else(|| self.misuse(array));
        Ok(match self {
            Self::Canonical => Arc::new(floats()?.unary::<_, Float64Type>(float::canonical)),
            Self::OrderKey => Arc::new(floats()?.unary::<_, Int64Type>(float::order_key)),
            Self::FromOrderKey => {
                let keys = array.as_primitive_opt::<Int64Type>();
                let keys = keys.ok_or_else(|| self.misuse(array))?;
                Arc::new(keys.unary::<_, Float64Type>(float::from_order_key))
            }
            Self::DateTrunc(unit) => {
                let truncated =
                    timestamps()?.try_unary::<_, TimestampMicrosecondType, Raised>(|t| {
                        calendar::truncate(t, *unit)
                    })?;
                Arc::new(truncated)
            }
            Self::Extract(part) => {
                Arc::new(timestamps()?.unary::<_, Int64Type>(|t| calendar::extract(t, *part)))
            }
            Self::ToDate => Arc::new(timestamps()?.unary::<_, Date32Type>(calendar::to_date)),
            Self::ToTimestamp => {
                let converted = dates()?.try_unary::<_, TimestampMicrosecondType, Raised>(|d| {
                    calendar::begins(d).ok_or(Raised::DateOutOfRange)
                })?;
                Arc::new(converted)
            }
            Self::ToComparable => {
                Arc::new(dates()?.unary::<_, TimestampMicrosecondType>(calendar::to_comparable))
            }
            Self::Like(pattern) => Arc::new(of_texts(texts()?, |t| pattern.matches(t.as_bytes()))?),
            Self::StartsWith(prefix) => {
                Arc::new(of_texts(texts()?, |t| Ok(t.starts_with(prefix.as_str())))?)
            }
            Self::NullIf(nothing) => texts::null_if(texts()?, nothing)?,
            Self::RegionOfZone => {
                let zones = texts()?.iter();
                let regions = zones.map(|zone| zone.and_then(billing::region_of_zone));
                Arc::new(StringViewArray::from_iter(regions))
            }
            Self::Convert(to) => {
                let strict = CastOptions {
                    safe: false,
                    ..CastOptions::default()
                };
                arrow::compute::cast_with_options(array, to, &strict)?
            }
            Self::ToJson => json_text(array)?,
            Self::TextToJson(column) => json::of_text(array, column)?,
            Self::AboveScan => make_array(array.to_data()),
        })
    }

    fn misuse(&self, array: &dyn Array) -> DataFusionError {
        DataFusionError::Internal(format!("{} of {}", self.name(), array.data_type()))
    }
}

/// Whether an aggregate counts a row: it has a value, and meets the condition.
fn counts(values: &Float64Array, filter: Option<&BooleanArray>, row: usize) -> bool {
    values.is_valid(row) && filter.is_none_or(|f| f.is_valid(row) && f.value(row))
}

/// Bills repeat themselves, so a text that stands next to its equal is not looked at again: equal
/// views are equal texts, whether inlined or pointing into the same buffer.
fn of_texts(
    texts: &StringViewArray,
    condition: impl Fn(&str) -> Result<bool, Raised>,
) -> Result<BooleanArray> {
    let mut previous: Option<(u128, bool)> = None;
    let mut answers = Vec::with_capacity(texts.len());
    for (row, view) in texts.views().iter().enumerate() {
        let answer = match previous {
            _ if texts.is_null(row) => false,
            Some((same, answer)) if same == *view => answer,
            _ => condition(texts.value(row))?,
        };
        if texts.is_valid(row) {
            previous = Some((*view, answer));
        }
        answers.push(answer);
    }
    Ok(BooleanArray::new(answers.into(), texts.nulls().cloned()))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct KernelFunction {
    signature: Signature,
    kernel: Kernel,
}

impl ScalarUDFImpl for KernelFunction {
    fn name(&self) -> &str {
        self.kernel.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.kernel.data_type())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.first() {
            Some(ColumnarValue::Array(array)) => {
                Ok(ColumnarValue::Array(self.kernel.apply(array.as_ref())?))
            }
            Some(ColumnarValue::Scalar(value)) => {
                let array = self.kernel.apply(value.to_array()?.as_ref())?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                    &array, 0,
                )?))
            }
            None => Err(DataFusionError::Internal(self.kernel.name().to_owned())),
        }
    }
}
