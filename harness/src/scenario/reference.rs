//! The reference part of docs/scenarios.md, made from the tables' types.

/// The tables of the language with their keys, as Markdown.
pub fn reference() -> String {
    String::new()
}
