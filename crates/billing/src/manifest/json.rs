//! JSON that may be anything where we expect something: what is not understood is nothing.
//!
//! A surprise in a field that does not matter must not stop a month, and third parties write
//! manifests too. What is skipped is never kept, so a hostile manifest takes no more memory than
//! its own size and the lists' limits allow.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The longest text that is taken. Stores allow keys of 1,024 bytes, and no name is longer; what
/// is taken may get into messages and tables.
const LONGEST: usize = 2_000;

/// A string that says something, or nothing.
#[derive(Debug, Default)]
pub(super) struct Text(pub(super) Option<String>);

impl Text {
    /// The text, `""` for nothing.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

/// An object's known fields, or none.
#[derive(Debug, Default)]
pub(super) struct Record<T>(pub(super) T);

/// A list of at most `LIMIT` elements.
#[derive(Debug)]
pub(super) struct List<T, const LIMIT: usize> {
    /// The elements, or `None` where no list stands.
    pub(super) items: Option<Vec<T>>,
    /// Elements beyond the limit.
    pub(super) surplus: usize,
}

impl<T, const LIMIT: usize> Default for List<T, LIMIT> {
    fn default() -> Self {
        Self {
            items: None,
            surplus: 0,
        }
    }
}

/// A file of a list: its name, or what stands there instead.
#[derive(Debug)]
pub(super) enum Entry {
    Name(String),
    Other(String),
}

impl Default for Entry {
    fn default() -> Self {
        Self::Other("null".to_owned())
    }
}

/// What a type takes of a JSON value; it is left as it was by what it does not take.
trait Take<'de>: Default {
    fn string(&mut self, _: &str) {}

    fn scalar(&mut self, _: &dyn fmt::Display) {}

    fn sequence<A: SeqAccess<'de>>(&mut self, mut values: A) -> Result<(), A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn object<A: MapAccess<'de>>(&mut self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

impl Take<'_> for Text {
    fn string(&mut self, text: &str) {
        if !text.trim().is_empty() && text.len() <= LONGEST {
            self.0 = Some(text.to_owned());
        }
    }
}

impl<'de, T: Default + Deserialize<'de>> Take<'de> for Record<T> {
    fn object<A: MapAccess<'de>>(&mut self, fields: A) -> Result<(), A::Error> {
        self.0 = T::deserialize(MapAccessDeserializer::new(fields))?;
        Ok(())
    }
}

impl<'de, T: Deserialize<'de>, const LIMIT: usize> Take<'de> for List<T, LIMIT> {
    fn sequence<A: SeqAccess<'de>>(&mut self, mut values: A) -> Result<(), A::Error> {
        let mut items = Vec::new();
        while items.len() < LIMIT {
            match values.next_element()? {
                Some(item) => items.push(item),
                None => break,
            }
        }
        if items.len() == LIMIT {
            while values.next_element::<IgnoredAny>()?.is_some() {
                self.surplus += 1;
            }
        }
        self.items = Some(items);
        Ok(())
    }
}

impl<'de> Take<'de> for Entry {
    fn string(&mut self, text: &str) {
        *self = match text.len() {
            0..=LONGEST => Self::Name(text.to_owned()),
            long => Self::Other(format!("a text of {long} bytes")),
        };
    }

    fn scalar(&mut self, value: &dyn fmt::Display) {
        *self = Self::Other(value.to_string());
    }

    fn sequence<A: SeqAccess<'de>>(&mut self, mut values: A) -> Result<(), A::Error> {
        *self = Self::Other("a list".to_owned());
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    /// Azure's `blobName`, or the `key` that some tools write into `dataFiles`.
    fn object<A: MapAccess<'de>>(&mut self, mut fields: A) -> Result<(), A::Error> {
        *self = Self::Other("an object without a name".to_owned());
        while let Some(Text(field)) = fields.next_key()? {
            if matches!(field.as_deref(), Some("blobName" | "key")) {
                if let Text(Some(name)) = fields.next_value()? {
                    *self = Self::Name(name);
                }
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Anything<T>(PhantomData<T>);

impl<'de, T: Take<'de>> Anything<T> {
    fn scalar<E>(value: &dyn fmt::Display) -> Result<T, E> {
        let mut taken = T::default();
        taken.scalar(value);
        Ok(taken)
    }
}

impl<'de, T: Take<'de>> Visitor<'de> for Anything<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        let mut taken = T::default();
        taken.string(text);
        Ok(taken)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<T, A::Error> {
        let mut taken = T::default();
        taken.sequence(values)?;
        Ok(taken)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        let mut taken = T::default();
        taken.object(fields)?;
        Ok(taken)
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Self::scalar(&value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Self::scalar(&value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Self::scalar(&value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<T, E> {
        Self::scalar(&value)
    }
}

fn anything<'de, T: Take<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Anything(PhantomData))
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        anything(deserializer)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        anything(deserializer)
    }
}

impl<'de, T: Default + Deserialize<'de>> Deserialize<'de> for Record<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        anything(deserializer)
    }
}

impl<'de, T: Deserialize<'de>, const LIMIT: usize> Deserialize<'de> for List<T, LIMIT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        anything(deserializer)
    }
}
