//! A table's columns in one file: found by name, converted only where no value is lost.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, SchemaRef, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::functions::core::get_field;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};

use crate::compute::Kernel;
use crate::footer::leaves;
use crate::names::Names;
use crate::types::{is_text, is_widening, type_name};
use crate::{Error, Kind};

/// Lets DataFusion convert a file's column only where no value is lost. Its own rule is "if a cast
/// exists", and then 1.5 in a file becomes 1 in an integer column.
#[derive(Debug)]
pub(crate) struct OnlyWidening;

impl PhysicalExprAdapterFactory for OnlyWidening {
    fn create(&self, wanted: SchemaRef, found: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let file = InFile {
            names: Names::new(leaves(found.fields()).into_iter().map(|c| c.name).collect()),
            found,
            wanted,
        };
        for wanted in file.wanted.fields() {
            let name = file_name(wanted.name());
            let Some(found) = file.path(name).and_then(|mut path| path.pop()) else {
                continue;
            };
            if !is_widening(found.data_type(), wanted.data_type()) {
                return Err(DataFusionError::External(Box::new(Error::TypeMismatch {
                    column: name.to_owned(),
                    file: String::new(),
                    found: type_name(found.data_type()),
                    wanted: match wanted.data_type() {
                        jsonb if *jsonb == Kind::Jsonb.arrow() => "jsonb".to_owned(),
                        other => type_name(other),
                    },
                })));
            }
        }
        Ok(Arc::new(file))
    }
}

/// A column's name in the files; see [`crate::table::names`].
pub(crate) fn file_name(name: &str) -> &str {
    name.split_once('\0').map_or(name, |(name, _)| name)
}

/// The column that has the field of this name, and the fields within it up to that one, as in
/// `service.id`.
fn path<'a>(fields: &'a Fields, name: &str) -> Option<Vec<&'a Field>> {
    if let Some((_, field)) = fields.find(name) {
        return Some(vec![field]);
    }
    let dots = name.match_indices('.').map(|(dot, _)| name.split_at(dot));
    let mut within = dots.filter_map(|(outer, inner)| {
        let (_, field) = fields.find(outer)?;
        let DataType::Struct(parts) = field.data_type() else {
            return None;
        };
        let mut path = path(parts, &inner[1..])?;
        path.insert(0, field);
        Some(path)
    });
    within.next()
}

#[derive(Debug)]
struct InFile {
    wanted: SchemaRef,
    found: SchemaRef,
    names: Names,
}

impl PhysicalExprAdapter for InFile {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        // What is replaced speaks of the file already, so its parts are passed over.
        let done = |expr| Transformed::new(expr, true, TreeNodeRecursion::Jump);
        let rewritten = expr.transform_down(|expr| {
            if let Some(column) = expr.downcast_ref::<Column>() {
                return Ok(done(self.column(column)?));
            }
            let comparison = expr.downcast_ref::<BinaryExpr>();
            Ok(match comparison.and_then(|c| self.compare_coarse(c)) {
                Some(comparison) => done(comparison),
                None => Transformed::no(expr),
            })
        })?;
        Ok(rewritten.data)
    }
}

impl InFile {
    /// The field that a name means.
    fn path(&self, name: &str) -> Option<Vec<&Field>> {
        path(self.found.fields(), name).or_else(|| {
            let known = self.names.find(name)?;
            path(self.found.fields(), known)
        })
    }

    fn column(&self, column: &Column) -> Result<Arc<dyn PhysicalExpr>> {
        let wanted = self.wanted.field_with_name(column.name())?.data_type();
        let Some((read, found)) = self.read(column)? else {
            return Ok(Arc::new(Literal::new(ScalarValue::try_new_null(wanted)?)));
        };
        if *wanted == Kind::Jsonb.arrow() {
            let kernel = match is_text(found) {
                true => Kernel::TextToJson(file_name(column.name()).to_owned()),
                false => Kernel::ToJson,
            };
            return kernel.call_physical(read, &self.found);
        }
        if found == wanted {
            return Ok(read);
        }
        if found.is_integer() && wanted.is_integer() {
            return Ok(Arc::new(CastExpr::new(read, wanted.clone(), None)));
        }
        Kernel::Convert(wanted.clone()).call_physical(read, &self.found)
    }

    /// The file's column, or the part of it that the name says, and its type there.
    fn read(&self, column: &Column) -> Result<Option<(Arc<dyn PhysicalExpr>, &DataType)>> {
        let name = file_name(column.name());
        let Some(path) = self.path(name) else {
            return Ok(None);
        };
        let Some((last, outer)) = path.split_last() else {
            return Ok(None);
        };
        let Some((first, inner)) = outer.split_first() else {
            let index = self.found.index_of(last.name())?;
            return Ok(Some((
                Arc::new(Column::new(last.name(), index)),
                last.data_type(),
            )));
        };
        let index = self.found.index_of(first.name())?;
        let mut arguments: Vec<Arc<dyn PhysicalExpr>> =
            vec![Arc::new(Column::new(first.name(), index))];
        let parts = inner
            .iter()
            .chain([last])
            .map(|field| field.name().as_str());
        arguments.extend(parts.map(|part| -> Arc<dyn PhysicalExpr> {
            Arc::new(Literal::new(ScalarValue::from(part)))
        }));
        let part =
            ScalarFunctionExpr::try_new(get_field(), arguments, &self.found, Arc::default())?;
        Ok(Some((Arc::new(part), last.data_type())))
    }

    /// A comparison of a timestamp that the file has in seconds or milliseconds with a constant in
    /// microseconds, as one in the file's unit: only of that the file's statistics speak.
    fn compare_coarse(&self, comparison: &BinaryExpr) -> Option<Arc<dyn PhysicalExpr>> {
        let column = comparison.left().downcast_ref::<Column>()?;
        let literal = comparison.right().downcast_ref::<Literal>()?;
        let (read, found) = self.read(column).ok()??;
        let ScalarValue::TimestampMicrosecond(Some(value), _) = literal.value() else {
            return None;
        };
        let per_unit = match found {
            DataType::Timestamp(TimeUnit::Second, _) => 1_000_000,
            DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000,
            _ => return None,
        };
        let floor = value.div_euclid(per_unit);
        let whole = value.rem_euclid(per_unit) == 0;
        let (operator, bound) = match (comparison.op(), whole) {
            (op, true) => (*op, floor),
            // Between two units: no value is equal.
            (Operator::Eq, false) => (Operator::Lt, i64::MIN),
            (Operator::NotEq, false) => (Operator::GtEq, i64::MIN),
            (Operator::Lt | Operator::LtEq, false) => (Operator::LtEq, floor),
            (Operator::Gt | Operator::GtEq, false) => (Operator::Gt, floor),
            _ => return None,
        };
        let bound = match found {
            DataType::Timestamp(TimeUnit::Second, zone) => {
                ScalarValue::TimestampSecond(Some(bound), zone.clone())
            }
            DataType::Timestamp(_, zone) => {
                ScalarValue::TimestampMillisecond(Some(bound), zone.clone())
            }
            _ => return None,
        };
        let bound = Arc::new(Literal::new(bound));
        Some(Arc::new(BinaryExpr::new(read, operator, bound)))
    }
}
