//! serde over the tree, so that a table's type can be derived and every error still knows its line.

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::fault::{Fault, Result, Segment};
use super::spot::SPOT;
use super::tree::{Entry, Node, Value};

/// The table `T` that is written in this node.
pub fn from_node<T: de::DeserializeOwned>(node: &Node) -> Result<T> {
    T::deserialize(At(node))
}

/// The deserializer of a node.
struct At<'a>(&'a Node);

impl<'de> de::Deserializer<'de> for At<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &self.0.value {
            Value::Text(text) => visitor.visit_str(text),
            Value::Whole(number) => visitor.visit_i64(*number),
            Value::Real(number) => visitor.visit_f64(*number),
            Value::Truth(truth) => visitor.visit_bool(*truth),
            Value::List(nodes) => visitor.visit_seq(Items { nodes, next: 0 }),
            Value::Table(entries) => visitor.visit_map(Entries {
                entries,
                value: None,
            }),
        }
        .map_err(|fault| fault.at(self.0.line))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let line = self.0.line;
        match &self.0.value {
            Value::Text(word) => {
                let word: StrDeserializer<'_, Fault> = word.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            _ => At(self.0).deserialize_any(visitor),
        }
        .map_err(|fault| fault.at(line))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        match name {
            SPOT => visitor.visit_seq(SpotParts {
                line: self.0.line,
                last: self.0.last,
                part: 0,
                value: At(self.0),
            }),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple map struct identifier ignored_any
    }
}

/// What a `Spot` asks for: line, last line, value.
struct SpotParts<D> {
    line: usize,
    last: usize,
    part: usize,
    value: D,
}

impl<'de, D: de::Deserializer<'de, Error = Fault> + Copy> SeqAccess<'de> for SpotParts<D> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        self.part += 1;
        match self.part {
            1 => seed.deserialize(self.line.into_deserializer()),
            2 => seed.deserialize(self.last.into_deserializer()),
            _ => seed.deserialize(self.value),
        }
        .map(Some)
    }
}

impl Clone for At<'_> {
    fn clone(&self) -> Self {
        *self
    }
}

impl Copy for At<'_> {}

struct Items<'a> {
    nodes: &'a [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(node) = self.nodes.get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        let number = self.next;
        seed.deserialize(At(node))
            .map(Some)
            .map_err(|fault| fault.below(segment(node, number)))
    }
}

/// A step goes by its name and a control by its title.
fn segment(node: &Node, number: usize) -> Segment {
    let named = |key: &str, what: &str| match node.get(key) {
        Some(Node {
            value: Value::Text(name),
            ..
        }) => Some(Segment::Named(format!("{what} \"{name}\""))),
        _ => None,
    };
    named("name", "step")
        .or_else(|| named("title", "control"))
        .unwrap_or(Segment::Item(number))
}

struct Entries<'a> {
    entries: &'a [Entry],
    value: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((entry, rest)) = self.entries.split_first() else {
            return Ok(None);
        };
        self.entries = rest;
        self.value = Some(entry);
        seed.deserialize(Key(entry))
            .map(Some)
            .map_err(|fault| fault.at(entry.line))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        let entry = self
            .value
            .take()
            .ok_or_else(|| de::Error::custom("a value without a key"))?;
        seed.deserialize(At(&entry.node))
            .map_err(|fault| fault.below(Segment::Key(entry.key.clone())))
    }
}

/// The deserializer of a key.
#[derive(Clone, Copy)]
struct Key<'a>(&'a Entry);

impl<'de> de::Deserializer<'de> for Key<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let key: StringDeserializer<Fault> = self.0.key.clone().into_deserializer();
        key.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        match name {
            SPOT => visitor.visit_seq(SpotParts {
                line: self.0.line,
                last: self.0.line,
                part: 0,
                value: self,
            }),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple map struct enum identifier ignored_any
    }
}
