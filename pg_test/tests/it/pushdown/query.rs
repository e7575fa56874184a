//! A query with its constants apart, so that each can stand in the text or be a parameter.

use super::compare::Compare;

/// In a template the number of a constant stands between these two, which no literal contains.
const OPEN: char = '\u{1}';
const CLOSE: char = '\u{2}';

/// A constant, drawn twice: a prepared statement must follow its parameters.
#[derive(Clone, Debug)]
pub struct Constant {
    pub sql_type: String,
    /// Literals without a cast.
    pub values: [String; 2],
}

/// A query and how to judge its answer.
#[derive(Clone, Debug)]
pub struct Query {
    pub template: String,
    pub constants: Vec<Constant>,
    /// One for each output column.
    pub outputs: Vec<Compare>,
    /// Whether the order of the rows is determined.
    pub ordered: bool,
    pub time_zone: &'static str,
}

/// What stands in a template for a constant.
pub fn place(index: usize) -> String {
    format!("{OPEN}{index}{CLOSE}")
}

impl Query {
    /// The query with one of both sets of constants in its text.
    pub fn inline(&self, set: usize) -> String {
        self.filled(|index| {
            let constant = &self.constants[index];
            format!("{}::{}", constant.values[set], constant.sql_type)
        })
    }

    /// The statement that prepares it as `q`.
    pub fn prepare(&self) -> String {
        let body = self.filled(|index| format!("${}", index + 1));
        let types: Vec<&str> = self.constants.iter().map(|c| &*c.sql_type).collect();
        match types.is_empty() {
            true => format!("PREPARE q AS {body}"),
            false => format!("PREPARE q ({}) AS {body}", types.join(", ")),
        }
    }

    /// The statement that executes `q` with one of both sets of constants.
    pub fn execute(&self, set: usize) -> String {
        let values = self.constants.iter();
        let values: Vec<String> = values
            .map(|constant| format!("{}::{}", constant.values[set], constant.sql_type))
            .collect();
        match values.is_empty() {
            true => "EXECUTE q".to_owned(),
            false => format!("EXECUTE q ({})", values.join(", ")),
        }
    }

    fn filled(&self, spell: impl Fn(usize) -> String) -> String {
        let mut parts = self.template.split(OPEN);
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (index, rest) = part.split_once(CLOSE).expect("constants are closed");
            text += &spell(index.parse().expect("constants are numbered"));
            text += rest;
        }
        text
    }
}
