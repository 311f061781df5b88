//! A value that knows where it was written.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, SeqAccess, Visitor};

/// A value, and the lines that it stands on; equal and ordered as the value alone.
#[derive(Debug, Clone)]
pub struct Spot<T> {
    pub line: usize,
    pub last: usize,
    pub value: T,
}

impl<T: PartialEq> PartialEq for Spot<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spot<T> {}

impl<T: PartialOrd> PartialOrd for Spot<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl<T: Ord> Ord for Spot<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T> std::ops::Deref for Spot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The name by which a `Spot` asks the deserializer in typed.rs for its lines.
pub const SPOT: &str = "$harness::scenario::Spot";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spot<T> {
    fn deserialize<D: de::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_tuple_struct(SPOT, 3, SpotVisitor(PhantomData))
    }
}

struct SpotVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SpotVisitor<T> {
    type Value = Spot<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its lines")
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut parts: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let absent = || de::Error::custom("a value without lines");
        Ok(Spot {
            line: parts.next_element()?.ok_or_else(absent)?,
            last: parts.next_element()?.ok_or_else(absent)?,
            value: parts.next_element()?.ok_or_else(absent)?,
        })
    }
}

impl<T: JsonSchema> JsonSchema for Spot<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
