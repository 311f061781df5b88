//! Values that are written in more than one form: a word or a table, a number or a list. serde's own way for these
//! (`untagged`) loses the line and the cause of an error.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{
    self, Deserialize, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

/// Either a word or a table.
#[derive(Debug, JsonSchema)]
#[schemars(untagged, inline)]
pub enum WordOr<W, T> {
    Word(W),
    Table(T),
}

impl<'de, W: Deserialize<'de>, T: Deserialize<'de>> Deserialize<'de> for WordOr<W, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<W, T>(PhantomData<(W, T)>);

        impl<'de, W: Deserialize<'de>, T: Deserialize<'de>> Visitor<'de> for Either<W, T> {
            type Value = WordOr<W, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a table")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                let word: StrDeserializer<'_, E> = word.into_deserializer();
                W::deserialize(word).map(WordOr::Word)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(WordOr::Table)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

#[derive(Debug, Clone, Copy, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum NetworkWord {
    /// Nothing passes, and the machine is not told.
    Cut,
    /// As it was at first.
    Restored,
    /// The carrier is gone, and the machine sees it.
    Unplugged,
}

impl fmt::Display for NetworkWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "cut",
            Self::Restored => "restored",
            Self::Unplugged => "unplugged",
        })
    }
}

#[derive(Debug, Clone, Copy, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum DiskWord {
    /// There is no room left for anybody.
    Full,
    /// What filled it is gone.
    Freed,
    /// Writing is refused, on all file systems.
    ReadOnly,
    /// Writing works again.
    Writable,
}

impl fmt::Display for DiskWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Freed => "freed",
            Self::ReadOnly => "read-only",
            Self::Writable => "writable",
        })
    }
}

#[derive(Debug, Clone, Copy, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ExitWord {
    Failure,
    Any,
}

#[derive(Debug, JsonSchema)]
#[schemars(untagged, inline)]
pub enum ExitTable {
    Code(u8),
    Codes(Vec<u8>),
    Word(ExitWord),
}

impl<'de> Deserialize<'de> for ExitTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = ExitTable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an exit code from 0 to 255, a list of them, \"failure\" or \"any\"")
            }

            fn visit_i64<E: de::Error>(self, code: i64) -> Result<Self::Value, E> {
                u8::try_from(code)
                    .map(ExitTable::Code)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(code), &self))
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                let word: StrDeserializer<'_, E> = word.into_deserializer();
                ExitWord::deserialize(word).map(ExitTable::Word)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, codes: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(codes)).map(ExitTable::Codes)
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum EachWord {
    Hosts,
}

/// Its contents are read from the tree; the type is for the schema.
#[derive(Debug, JsonSchema)]
#[schemars(untagged, inline)]
#[allow(dead_code, reason = "each.rs reads the rows before there are tables")]
pub enum Each {
    Word(EachWord),
    Rows(Vec<BTreeMap<String, serde_json::Value>>),
}

impl<'de> Deserialize<'de> for Each {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer)?;
        Ok(Self::Rows(Vec::new()))
    }
}
