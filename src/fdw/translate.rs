//! Postgres expressions in the engine's words, where they mean the same for every value.
//!
//! Any part of an expression without columns, be it a constant, a parameter or `now() - interval
//! '7 days'`, is left to Postgres: it becomes a parameter of the query, which the executor evaluates
//! when the scan starts.

use engine::{Comparison, Expr, Field, Kind, Part, Unit};
use pgrx::pg_sys::{self, NodeTag};

use super::columns::Column;
use super::{elements, string};
use crate::datum::kind_of;

/// Objects below this number are Postgres's own (access/transam.h, FirstNormalObjectId): their
/// names mean what Postgres's documentation says.
const FIRST_USER_OBJECT: u32 = 16_384;

/// The expressions of one query so far, and what they use.
#[derive(Clone, Debug)]
pub struct Translation {
    root: *mut pg_sys::PlannerInfo,
    relid: pg_sys::Index,
    table: Vec<Column>,
    /// Indexes into `table` of the columns that the query uses.
    used: Vec<usize>,
    /// The parameters as Postgres's expressions, and their kinds.
    params: Vec<(*mut pg_sys::Node, Kind)>,
    /// Whether a `timestamp` is compared with a `timestamptz`, which is exact in UTC only.
    pub needs_utc: bool,
    /// Whether the expression at hand is evaluated for some rows only, if at all.
    conditional: bool,
    /// The value that a simple CASE compares, while its branches are translated.
    case_value: Option<Expr>,
}

impl Translation {
    /// Nothing yet, over the columns of the base relation `relid`.
    pub fn new(root: *mut pg_sys::PlannerInfo, relid: pg_sys::Index, table: Vec<Column>) -> Self {
        Self {
            root,
            relid,
            table,
            used: Vec::new(),
            params: Vec::new(),
            needs_utc: false,
            conditional: false,
            case_value: None,
        }
    }

    /// All columns of the table.
    pub fn table(&self) -> &[Column] {
        &self.table
    }

    /// The columns of the query.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.used.iter().map(|i| &self.table[*i])
    }

    /// What to ask the engine for.
    pub fn fields(&self) -> Vec<Field> {
        self.columns().map(Column::field).collect()
    }

    /// The parameters' expressions.
    pub fn params(&self) -> impl Iterator<Item = *mut pg_sys::Node> {
        self.params.iter().map(|(node, _)| *node)
    }

    /// The parameters' kinds.
    pub fn param_kinds(&self) -> Vec<Kind> {
        self.params.iter().map(|(_, kind)| *kind).collect()
    }

    /// The query's index of a column of the table.
    pub fn column(&mut self, attnum: i16) -> Option<usize> {
        let index = self.table.iter().position(|c| c.attnum == attnum)?;
        let position = self.used.iter().position(|i| *i == index);
        Some(position.unwrap_or_else(|| {
            self.used.push(index);
            self.used.len() - 1
        }))
    }

    /// A condition or a value; `None` leaves the query as it was.
    ///
    /// # Safety
    /// `node` is a planned expression of the relation.
    pub unsafe fn expr(&mut self, node: *mut pg_sys::Node) -> Option<Expr> {
        let before = self.clone();
        // SAFETY: the caller's promise.
        let translated = unsafe { self.translate(node) };
        if translated.is_none() {
            *self = before;
        }
        translated
    }

    /// A value that is a parameter, whatever its expression.
    ///
    /// # Safety
    /// As for [`Translation::expr`].
    pub unsafe fn param(&mut self, node: *mut pg_sys::Node) -> Option<usize> {
        // SAFETY: the caller's promise.
        unsafe {
            // Parameters are evaluated before the first row: what might fail must not be evaluated
            // where Postgres might not.
            let is_safe = matches!((*node).type_, NodeTag::T_Const | NodeTag::T_Param);
            if !self.is_constant_in_scan(node) || (self.conditional && !is_safe) {
                return None;
            }
            let type_oid = pg_sys::exprType(node);
            let element = pg_sys::get_element_type(type_oid);
            let kind = match element {
                pg_sys::InvalidOid => kind_of(type_oid, -1)?,
                element => kind_of(element, -1)?,
            };
            if !kind.is_comparable() {
                return None;
            }
            Some(self.add_param(node, kind))
        }
    }

    fn add_param(&mut self, node: *mut pg_sys::Node, kind: Kind) -> usize {
        self.params.push((node, kind));
        self.params.len() - 1
    }

    /// Without columns of any relation, and the same throughout a scan.
    unsafe fn is_constant_in_scan(&self, node: *mut pg_sys::Node) -> bool {
        // SAFETY: the caller passes a planned expression.
        unsafe {
            pg_sys::pull_varnos(self.root, node).is_null()
                && !pg_sys::contain_volatile_functions(node)
                && !pg_sys::contain_subplans(node)
                && !pg_sys::contain_agg_clause(node)
                && !has_case_test(node)
        }
    }

    unsafe fn translate(&mut self, node: *mut pg_sys::Node) -> Option<Expr> {
        // SAFETY: the tag says which struct a node is.
        unsafe {
            match (*node).type_ {
                NodeTag::T_CaseTestExpr => return self.case_value.clone(),
                NodeTag::T_Var => return self.var(node.cast()),
                _ => (),
            }
            if self.is_constant_in_scan(node) {
                if !pg_sys::get_element_type(pg_sys::exprType(node)).eq(&pg_sys::InvalidOid) {
                    return None;
                }
                return self.param(node).map(Expr::Param);
            }
            match (*node).type_ {
                NodeTag::T_RelabelType => self.relabel(node.cast()),
                NodeTag::T_OpExpr => self.operator(node.cast()),
                NodeTag::T_DistinctExpr => self.distinct(node.cast()),
                NodeTag::T_NullIfExpr => self.null_if(node.cast()),
                NodeTag::T_ScalarArrayOpExpr => self.array_operator(node.cast()),
                NodeTag::T_BoolExpr => self.boolean(node.cast()),
                NodeTag::T_NullTest => self.null_test(node.cast()),
                NodeTag::T_BooleanTest => self.boolean_test(node.cast()),
                NodeTag::T_CoalesceExpr => self.coalesce(node.cast()),
                NodeTag::T_CaseExpr => self.case(node.cast()),
                NodeTag::T_FuncExpr => self.function(node.cast()),
                _ => None,
            }
        }
    }

    unsafe fn var(&mut self, var: *mut pg_sys::Var) -> Option<Expr> {
        // SAFETY: the caller passes a Var.
        let var = unsafe { &*var };
        let ours = var.varno as pg_sys::Index == self.relid && var.varlevelsup == 0;
        if !ours || var.varattno <= 0 {
            return None;
        }
        self.column(var.varattno).map(Expr::Column)
    }

    /// `varchar` and `text` are the same bytes.
    unsafe fn relabel(&mut self, relabel: *mut pg_sys::RelabelType) -> Option<Expr> {
        // SAFETY: the caller passes a RelabelType.
        unsafe {
            let inner = (*relabel).arg.cast();
            let same = kind_of((*relabel).resulttype, (*relabel).resulttypmod)
                == kind_of(pg_sys::exprType(inner), -1);
            if same { self.translate(inner) } else { None }
        }
    }

    unsafe fn operator(&mut self, op: *mut pg_sys::OpExpr) -> Option<Expr> {
        // SAFETY: the caller passes an OpExpr, whose arguments are expressions.
        unsafe {
            let [left, right] = pair((*op).args)?;
            let name = own_operator((*op).opno)?;
            if let Some(comparison) = Comparison::of(&name) {
                return self.comparison(comparison, left, right, (*op).inputcollid);
            }
            if !is_text(left) || !is_text(right) || !is_bytewise((*op).inputcollid) {
                return None;
            }
            match name.as_str() {
                "~~" => self.like(left, right),
                "!~~" => Some(Expr::Not(Box::new(self.like(left, right)?))),
                "^@" => self.starts_with(left, right),
                _ => None,
            }
        }
    }

    unsafe fn comparison(
        &mut self,
        comparison: Comparison,
        left: *mut pg_sys::Node,
        right: *mut pg_sys::Node,
        collation: pg_sys::Oid,
    ) -> Option<Expr> {
        // SAFETY: the caller passes the arguments of an operator.
        unsafe {
            if let Some(compared) = self.comparison_of_part(comparison, left, right) {
                return Some(compared);
            }
            self.check_comparable(left, right, collation, comparison.is_ordering())?;
            Some(Expr::Compare {
                comparison,
                left: Box::new(self.translate(left)?),
                right: Box::new(self.translate(right)?),
            })
        }
    }

    /// `extract(…) = 10`: the part is `numeric`, but whole.
    unsafe fn comparison_of_part(
        &mut self,
        comparison: Comparison,
        left: *mut pg_sys::Node,
        right: *mut pg_sys::Node,
    ) -> Option<Expr> {
        // SAFETY: the caller passes the arguments of an operator.
        unsafe {
            if pg_sys::exprType(left) != pg_sys::NUMERICOID {
                return None;
            }
            let part = self.part_of(left)?;
            let whole = whole_number(right)?;
            let param = self.add_param(whole, Kind::Int8);
            Some(Expr::Compare {
                comparison,
                left: Box::new(part),
                right: Box::new(Expr::Param(param)),
            })
        }
    }

    /// Whether the engine compares values of these expressions as Postgres does.
    unsafe fn check_comparable(
        &mut self,
        left: *mut pg_sys::Node,
        right: *mut pg_sys::Node,
        collation: pg_sys::Oid,
        ordering: bool,
    ) -> Option<()> {
        // SAFETY: the caller passes two expressions.
        let (left, right, constant) = unsafe {
            (
                kind_of(pg_sys::exprType(left), -1)?,
                kind_of(pg_sys::exprType(right), -1)?,
                self.is_constant_in_scan(left) || self.is_constant_in_scan(right),
            )
        };
        let exact = match (left, right) {
            (Kind::Text, Kind::Text) => match ordering {
                true => is_c(collation),
                false => is_bytewise(collation),
            },
            (Kind::Timestamp, Kind::Timestamptz) | (Kind::Timestamptz, Kind::Timestamp) => {
                self.needs_utc = true;
                constant && session_is_utc()
            }
            (Kind::Date, Kind::Timestamp) | (Kind::Timestamp, Kind::Date) => true,
            (left, right) if !left.is_comparable() || !right.is_comparable() => false,
            (left, right) if left.is_integer() => right.is_integer(),
            (left, right) if left.is_float() => right.is_float(),
            (left, right) => left == right,
        };
        exact.then_some(())
    }

    unsafe fn like(&mut self, text: *mut pg_sys::Node, pattern: *mut pg_sys::Node) -> Option<Expr> {
        // SAFETY: the caller passes the arguments of an operator.
        unsafe {
            Some(Expr::Like {
                text: Box::new(self.translate(text)?),
                pattern: self.param(pattern)?,
            })
        }
    }

    unsafe fn starts_with(
        &mut self,
        text: *mut pg_sys::Node,
        prefix: *mut pg_sys::Node,
    ) -> Option<Expr> {
        // SAFETY: the caller passes the arguments of an operator or function.
        unsafe {
            Some(Expr::StartsWith {
                text: Box::new(self.translate(text)?),
                prefix: self.param(prefix)?,
            })
        }
    }

    unsafe fn distinct(&mut self, op: *mut pg_sys::OpExpr) -> Option<Expr> {
        // SAFETY: the caller passes a DistinctExpr, which is an OpExpr.
        unsafe {
            let (left, right) = self.equal_sides(op)?;
            Some(Expr::IsDistinct(Box::new(left), Box::new(right)))
        }
    }

    unsafe fn null_if(&mut self, op: *mut pg_sys::OpExpr) -> Option<Expr> {
        // SAFETY: the caller passes a NullIfExpr, which is an OpExpr.
        unsafe {
            let (left, right) = self.equal_sides(op)?;
            let equal = Expr::Compare {
                comparison: Comparison::Equal,
                left: Box::new(left.clone()),
                right: Box::new(right),
            };
            let differs = Expr::Not(Box::new(Expr::IsTrue(Box::new(equal))));
            Some(Expr::Case {
                branches: vec![(differs, left)],
                otherwise: None,
            })
        }
    }

    unsafe fn equal_sides(&mut self, op: *mut pg_sys::OpExpr) -> Option<(Expr, Expr)> {
        // SAFETY: the caller passes an OpExpr.
        unsafe {
            let [left, right] = pair((*op).args)?;
            if own_operator((*op).opno)? != "=" {
                return None;
            }
            self.check_comparable(left, right, (*op).inputcollid, false)?;
            Some((self.translate(left)?, self.translate(right)?))
        }
    }

    unsafe fn array_operator(&mut self, op: *mut pg_sys::ScalarArrayOpExpr) -> Option<Expr> {
        // SAFETY: the caller passes a ScalarArrayOpExpr.
        unsafe {
            let [value, array] = pair((*op).args)?;
            let negated = match (own_operator((*op).opno)?.as_str(), (*op).useOr) {
                ("=", true) => false,
                ("<>", false) => true,
                _ => return None,
            };
            let element = pg_sys::get_element_type(pg_sys::exprType(array));
            let own = kind_of(pg_sys::exprType(value), -1)?;
            let other = kind_of(element, -1)?;
            let exact = match (own, other) {
                (Kind::Text, Kind::Text) => is_bytewise((*op).inputcollid),
                (own, _) if !own.is_comparable() => false,
                (own, other) if own.is_integer() => other.is_integer(),
                (own, other) if own.is_float() => other.is_float(),
                (own, other) => own == other,
            };
            if !exact {
                return None;
            }
            let any = Expr::AnyOf {
                value: Box::new(self.translate(value)?),
                list: self.param(array)?,
            };
            Some(match negated {
                true => Expr::Not(Box::new(any)),
                false => any,
            })
        }
    }

    unsafe fn boolean(&mut self, boolean: *mut pg_sys::BoolExpr) -> Option<Expr> {
        // SAFETY: the caller passes a BoolExpr.
        unsafe {
            let parts = elements::<pg_sys::Node>((*boolean).args).map(|part| self.translate(part));
            let mut parts: Vec<Expr> = parts.collect::<Option<_>>()?;
            Some(match (*boolean).boolop {
                pg_sys::BoolExprType::AND_EXPR => Expr::And(parts),
                pg_sys::BoolExprType::OR_EXPR => Expr::Or(parts),
                _ => Expr::Not(Box::new(parts.pop()?)),
            })
        }
    }

    unsafe fn null_test(&mut self, test: *mut pg_sys::NullTest) -> Option<Expr> {
        // SAFETY: the caller passes a NullTest.
        unsafe {
            if (*test).argisrow {
                return None;
            }
            let is_null = Expr::IsNull(Box::new(self.translate((*test).arg.cast())?));
            Some(match (*test).nulltesttype {
                pg_sys::NullTestType::IS_NULL => is_null,
                _ => Expr::Not(Box::new(is_null)),
            })
        }
    }

    unsafe fn boolean_test(&mut self, test: *mut pg_sys::BooleanTest) -> Option<Expr> {
        use pg_sys::BoolTestType as Test;
        // SAFETY: the caller passes a BooleanTest.
        let (inner, test) = unsafe {
            (
                Box::new(self.translate((*test).arg.cast())?),
                (*test).booltesttype,
            )
        };
        let not = |e| Expr::Not(Box::new(e));
        Some(match test {
            Test::IS_TRUE => Expr::IsTrue(inner),
            Test::IS_NOT_TRUE => not(Expr::IsTrue(inner)),
            Test::IS_FALSE => Expr::IsFalse(inner),
            Test::IS_NOT_FALSE => not(Expr::IsFalse(inner)),
            Test::IS_UNKNOWN => Expr::IsNull(inner),
            Test::IS_NOT_UNKNOWN => not(Expr::IsNull(inner)),
            _ => return None,
        })
    }

    unsafe fn coalesce(&mut self, coalesce: *mut pg_sys::CoalesceExpr) -> Option<Expr> {
        // SAFETY: the caller passes a CoalesceExpr.
        unsafe {
            let outer = std::mem::replace(&mut self.conditional, true);
            let parts = elements::<pg_sys::Node>((*coalesce).args).map(|part| self.value(part));
            let parts = parts.collect::<Option<_>>()?;
            self.conditional = outer;
            Some(Expr::Coalesce(parts))
        }
    }

    unsafe fn case(&mut self, case: *mut pg_sys::CaseExpr) -> Option<Expr> {
        // SAFETY: the caller passes a CaseExpr, whose branches are CaseWhen nodes.
        unsafe {
            let outer = (self.case_value.take(), self.conditional);
            self.conditional = true;
            if !(*case).arg.is_null() {
                self.case_value = Some(self.translate((*case).arg.cast())?);
            }
            let mut branches = Vec::new();
            for when in elements::<pg_sys::CaseWhen>((*case).args) {
                let condition = self.translate((*when).expr.cast())?;
                branches.push((condition, self.value((*when).result.cast())?));
            }
            let otherwise = match (*case).defresult.is_null() {
                true => None,
                false => Some(Box::new(self.value((*case).defresult.cast())?)),
            };
            (self.case_value, self.conditional) = outer;
            Some(Expr::Case {
                branches,
                otherwise,
            })
        }
    }

    /// A value that comes back from one of several branches, which must have one kind.
    unsafe fn value(&mut self, node: *mut pg_sys::Node) -> Option<Expr> {
        // SAFETY: the caller passes an expression.
        unsafe {
            let kind = kind_of(pg_sys::exprType(node), -1)?;
            if !kind.is_comparable() {
                return None;
            }
            self.translate(node)
        }
    }

    unsafe fn function(&mut self, call: *mut pg_sys::FuncExpr) -> Option<Expr> {
        // SAFETY: the caller passes a FuncExpr.
        unsafe {
            let arguments: Vec<_> = elements::<pg_sys::Node>((*call).args).collect();
            let Some(name) = own_function((*call).funcid) else {
                return match (our_function((*call).funcid)?.as_str(), arguments.as_slice()) {
                    ("zone_region", [zone]) => {
                        Some(Expr::RegionOfZone(Box::new(self.translate(*zone)?)))
                    }
                    _ => None,
                };
            };
            match arguments.as_slice() {
                [only] => self.conversion(&name, *only),
                [first, second] => match name.as_str() {
                    "date_trunc" => self.date_trunc(*first, *second),
                    "extract" | "date_part" => {
                        let part = self.extract(*first, *second)?;
                        Some(match name.as_str() {
                            "extract" => part,
                            _ => Expr::Widen(Box::new(part), Kind::Float8),
                        })
                    }
                    "starts_with" if is_bytewise((*call).inputcollid) => {
                        self.starts_with(*first, *second)
                    }
                    _ => None,
                },
                _ => None,
            }
        }
    }

    /// Casts, which are functions named as their result.
    unsafe fn conversion(&mut self, name: &str, argument: *mut pg_sys::Node) -> Option<Expr> {
        // SAFETY: the caller passes the argument of a function.
        unsafe {
            let from = pg_sys::exprType(argument);
            if from == pg_sys::NUMERICOID && matches!(name, "int4" | "int8") {
                return self.part_of(argument);
            }
            let widened = match (kind_of(from, -1)?, name) {
                (Kind::Timestamp, "date") => {
                    return Some(Expr::ToDate(Box::new(self.translate(argument)?)));
                }
                (Kind::Int2, "int4") => Kind::Int4,
                (Kind::Int2 | Kind::Int4, "int8") => Kind::Int8,
                (Kind::Int2 | Kind::Int4 | Kind::Float4, "float8") => Kind::Float8,
                (Kind::Date, "timestamp") => Kind::Timestamp,
                _ => return None,
            };
            Some(Expr::Widen(Box::new(self.translate(argument)?), widened))
        }
    }

    /// An expression of type `numeric` that is a whole part of a timestamp.
    unsafe fn part_of(&mut self, node: *mut pg_sys::Node) -> Option<Expr> {
        // SAFETY: the caller passes an expression.
        match unsafe { self.translate(node)? } {
            part @ Expr::Extract(..) => Some(part),
            _ => None,
        }
    }

    unsafe fn date_trunc(
        &mut self,
        unit: *mut pg_sys::Node,
        timestamp: *mut pg_sys::Node,
    ) -> Option<Expr> {
        // SAFETY: the caller passes the arguments of a function.
        unsafe {
            let unit = Unit::of(&constant_text(unit)?)?;
            if pg_sys::exprType(timestamp) != pg_sys::TIMESTAMPOID {
                return None;
            }
            let timestamp = self.translate(timestamp)?;
            Some(Expr::DateTrunc(unit, Box::new(timestamp)))
        }
    }

    unsafe fn extract(&mut self, part: *mut pg_sys::Node, from: *mut pg_sys::Node) -> Option<Expr> {
        // SAFETY: the caller passes the arguments of a function.
        unsafe {
            let part = Part::of(&constant_text(part)?)?;
            let of = match pg_sys::exprType(from) {
                pg_sys::TIMESTAMPOID => self.translate(from)?,
                // No date has an hour.
                pg_sys::DATEOID if !matches!(part, Part::Hour | Part::Minute) => {
                    Expr::Widen(Box::new(self.translate(from)?), Kind::Timestamp)
                }
                _ => return None,
            };
            Some(Expr::Extract(part, Box::new(of)))
        }
    }
}

unsafe fn pair(list: *mut pg_sys::List) -> Option<[*mut pg_sys::Node; 2]> {
    // SAFETY: the caller passes the arguments of an operator.
    let arguments: Vec<_> = unsafe { elements::<pg_sys::Node>(list) }.collect();
    arguments.try_into().ok()
}

/// The name of an operator of Postgres itself.
pub fn own_operator(operator: pg_sys::Oid) -> Option<String> {
    // SAFETY: get_opname returns NULL or a C string for any OID.
    let name = unsafe { string(pg_sys::get_opname(operator)) };
    (operator.to_u32() < FIRST_USER_OBJECT).then_some(name)
}

/// The name of a function of Postgres itself.
pub fn own_function(function: pg_sys::Oid) -> Option<String> {
    // SAFETY: get_func_name returns NULL or a C string for any OID.
    let name = unsafe { string(pg_sys::get_func_name(function)) };
    (function.to_u32() < FIRST_USER_OBJECT).then_some(name)
}

/// The name of a function of this extension.
pub fn our_function(function: pg_sys::Oid) -> Option<String> {
    // SAFETY: catalog lookups that take any OID; get_func_name returns NULL or a C string.
    unsafe {
        let ours = pg_sys::get_extension_oid(c"cur_fdw".as_ptr(), true);
        let of = pg_sys::getExtensionOfObject(pg_sys::ProcedureRelationId, function);
        (of == ours && ours != pg_sys::InvalidOid).then(|| string(pg_sys::get_func_name(function)))
    }
}

unsafe fn is_text(node: *mut pg_sys::Node) -> bool {
    // SAFETY: the caller passes an expression.
    kind_of(unsafe { pg_sys::exprType(node) }, -1) == Some(Kind::Text)
}

/// Whether texts that differ are never equal under this collation.
pub fn is_bytewise(collation: pg_sys::Oid) -> bool {
    // SAFETY: a catalog lookup of an existing collation.
    collation != pg_sys::InvalidOid && unsafe { pg_sys::get_collation_isdeterministic(collation) }
}

/// Whether texts sort by their bytes under this collation.
pub fn is_c(collation: pg_sys::Oid) -> bool {
    collation == pg_sys::C_COLLATION_OID || collation.to_u32() == POSIX_COLLATION
}

/// catalog/pg_collation.dat
const POSIX_COLLATION: u32 = 951;

/// Whether the session's time zone never differs from UTC.
pub fn session_is_utc() -> bool {
    const UTC: [&str; 8] = [
        "UTC",
        "Etc/UTC",
        "GMT",
        "Etc/GMT",
        "UCT",
        "Etc/UCT",
        "Zulu",
        "Universal",
    ];
    // SAFETY: the session always has a time zone, whose name is a C string.
    let zone = unsafe { string(pg_sys::pg_get_timezone_name(pg_sys::session_timezone)) };
    UTC.contains(&zone.as_str())
}

unsafe fn constant_text(node: *mut pg_sys::Node) -> Option<String> {
    // SAFETY: the tag says that the node is a Const; one of type text holds a text.
    unsafe {
        if (*node).type_ != NodeTag::T_Const {
            return None;
        }
        let constant = node.cast::<pg_sys::Const>();
        if (*constant).constisnull || (*constant).consttype != pg_sys::TEXTOID {
            return None;
        }
        pgrx::FromDatum::from_datum((*constant).constvalue, false)
    }
}

/// A `bigint` constant for a constant of type `numeric` without digits after the point.
unsafe fn whole_number(node: *mut pg_sys::Node) -> Option<*mut pg_sys::Node> {
    // SAFETY: the tag says that the node is a Const, and its type that it is a numeric.
    unsafe {
        if (*node).type_ != NodeTag::T_Const {
            return None;
        }
        let constant = node.cast::<pg_sys::Const>();
        if (*constant).constisnull || (*constant).consttype != pg_sys::NUMERICOID {
            return None;
        }
        let value: pgrx::AnyNumeric = pgrx::FromDatum::from_datum((*constant).constvalue, false)?;
        let whole: i64 = value.to_string().parse().ok()?;
        let bigint = pg_sys::makeConst(
            pg_sys::INT8OID,
            -1,
            pg_sys::InvalidOid,
            8,
            pg_sys::Datum::from(whole),
            false,
            true,
        );
        Some(bigint.cast())
    }
}

/// Whether an expression is a part of a simple CASE, and so needs the value it compares.
unsafe fn has_case_test(node: *mut pg_sys::Node) -> bool {
    // SAFETY: the caller passes a planned expression.
    unsafe { super::any_node(node, |node| (*node).type_ == NodeTag::T_CaseTestExpr) }
}
