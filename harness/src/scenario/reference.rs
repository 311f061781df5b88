//! The reference part of docs/scenarios.md, made from the schema and thereby from the comments on the tables' types.

use serde_json::{Map, Value};

use super::schema::{is_verb, schema};

/// The tables of the language with their keys, as Markdown.
pub fn reference() -> String {
    let schema = schema();
    let mut text = table(&schema, &schema);
    for name in in_order(&schema) {
        text.push('\n');
        text.push_str(&table(&schema["definitions"][&name], &schema));
    }
    text
}

/// The tables below the file's own, each behind the one that mentions it first.
fn in_order(schema: &Value) -> Vec<String> {
    let mut names = Vec::new();
    below(&schema["properties"], schema, &mut names);
    names
}

fn below(properties: &Value, schema: &Value, names: &mut Vec<String>) {
    let mut mentions = Vec::new();
    mentioned(properties, &mut |name| mentions.push(name.to_owned()));
    for name in mentions {
        if !names.contains(&name) {
            names.push(name.clone());
            below(&schema["definitions"][&name]["properties"], schema, names);
        }
    }
}

fn mentioned(value: &Value, see: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(keys) => {
            if let Some(name) = referred(keys) {
                see(name);
            }
            keys.values().for_each(|value| mentioned(value, see));
        }
        Value::Array(values) => values.iter().for_each(|value| mentioned(value, see)),
        _ => {}
    }
}

fn referred(keys: &Map<String, Value>) -> Option<&str> {
    keys.get("$ref")?.as_str()?.strip_prefix("#/definitions/")
}

fn table(table: &Value, schema: &Value) -> String {
    let mut text = format!(
        "### {}\n\n{}\n\n| key | value | |\n|---|---|---|\n",
        words(&table["title"]),
        words(&table["description"])
    );
    let required: Vec<&str> = table["required"]
        .as_array()
        .map(|keys| keys.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let none = Map::new();
    for (key, property) in table["properties"].as_object().unwrap_or(&none) {
        let said = words(&property["description"]).replacen("Verb. ", "", 1);
        let mark = match (is_verb(property), required.contains(&key.as_str())) {
            (true, _) => "**Verb.** ",
            (_, true) => "**Required.** ",
            _ => "",
        };
        let meanings = meanings(property);
        let row = format!(
            "| `{key}` | {} | {mark}{said}{meanings} |\n",
            kind(property, schema)
        );
        text.push_str(&row);
    }
    text
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What a value may be, in a few words.
fn kind(value: &Value, schema: &Value) -> String {
    let Some(keys) = value.as_object() else {
        return "any value".to_owned();
    };
    if let Some(name) = referred(keys) {
        let title = words(&schema["definitions"][name]["title"]).to_lowercase();
        return format!("[{title}](#{})", title.replace(' ', "-"));
    }
    if let Some(forms) = keys.get("anyOf").and_then(Value::as_array) {
        let mut kinds: Vec<String> = forms
            .iter()
            .filter(|form| !is_placeholder(form))
            .map(|form| kind(form, schema))
            .collect();
        kinds.dedup();
        return kinds.join(" or ");
    }
    if let Some(constants) = constants(value) {
        let quoted: Vec<String> = constants
            .iter()
            .map(|(word, _)| format!("`\"{word}\"`"))
            .collect();
        return quoted.join(", ");
    }
    match first_type(value) {
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "array" => format!("list of {}", many(&kind(&value["items"], schema))),
        "object" => match &value["additionalProperties"] {
            Value::Bool(_) => "table".to_owned(),
            inner => format!("by name, {}", kind(inner, schema)),
        },
        "" => "any value".to_owned(),
        other => other.to_owned(),
    }
}

fn many(one: &str) -> String {
    match one
        .strip_prefix("[a ")
        .and_then(|rest| rest.split_once(']'))
    {
        Some((name, link)) => format!("[{name}s]{link}"),
        None => format!("{one}s"),
    }
}

/// Every number and word may be a placeholder instead, which the text says once.
fn is_placeholder(form: &Value) -> bool {
    form.get("pattern").is_some() && first_type(form) == "string"
}

fn first_type(value: &Value) -> &str {
    match &value["type"] {
        Value::Array(types) => types.first().map(words).unwrap_or_default(),
        only => words(only),
    }
}

/// The words that a value may be, with what each means.
fn constants(value: &Value) -> Option<Vec<(&str, &str)>> {
    if let Some(words) = value.get("enum").and_then(Value::as_array) {
        return Some(
            words
                .iter()
                .filter_map(|word| Some((word.as_str()?, "")))
                .collect(),
        );
    }
    let forms = value.get("oneOf")?.as_array()?;
    forms
        .iter()
        .map(|form| Some((form.get("const")?.as_str()?, words(&form["description"]))))
        .collect()
}

/// The words of a value, each explained: they have no table of their own.
fn meanings(value: &Value) -> String {
    let explained = constants(value).unwrap_or_default().into_iter();
    let own: String = explained
        .filter(|(_, meaning)| !meaning.is_empty())
        .map(|(word, meaning)| format!(" `\"{word}\"`: {}", uncapitalised(meaning)))
        .collect();
    let forms = value.get("anyOf").and_then(Value::as_array);
    let inner = forms.into_iter().flatten().map(meanings);
    inner.fold(own, |all, one| all + &one)
}

fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}
