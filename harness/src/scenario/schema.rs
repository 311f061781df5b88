//! The JSON Schema of a scenario file, for editors (docs/json/scenario.schema.json), made from the tables' types.

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::Schema;
use serde_json::{json, Value};

use super::tables::ScenarioTable;

/// The schema as a JSON document.
pub fn schema() -> Value {
    // Draft 7: the newest that the usual TOML plug-ins of editors know.
    let generator = SchemaSettings::draft07()
        .for_deserialize()
        .with_transform(without_null)
        .with_transform(or_placeholder)
        .with_transform(in_plain_words)
        .into_generator();
    generator.into_root_schema_for::<ScenarioTable>().to_value()
}

/// A step has exactly one of the keys whose comment begins with `Verb.`.
pub fn one_verb(schema: &mut Schema) {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return;
    };
    let verbs = properties.iter().filter(|(_, property)| is_verb(property));
    let one_of: Vec<Value> = verbs
        .map(|(verb, _)| json!({ "required": [verb] }))
        .collect();
    schema.insert("oneOf".to_owned(), Value::Array(one_of));
}

pub fn is_verb(property: &Value) -> bool {
    property["description"]
        .as_str()
        .is_some_and(|text| text.starts_with("Verb."))
}

/// TOML has no null: an optional key is absent.
fn without_null(schema: &mut Schema) {
    transform_subschemas(&mut without_null, schema);
    let null = json!({ "type": "null" });
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(mut forms)) = schema.remove("anyOf") {
        forms.retain(|form| *form != null);
        match <[Value; 1]>::try_from(forms) {
            Ok([Value::Object(only)]) => {
                for (key, value) in only {
                    // The comment on the key says more than the one on its type.
                    schema.ensure_object().entry(key).or_insert(value);
                }
            }
            Ok([only]) => drop(schema.insert("anyOf".to_owned(), json!([only]))),
            Err(forms) => drop(schema.insert("anyOf".to_owned(), Value::Array(forms))),
        }
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
}

/// Comments are broken where the source's lines end, and numbers' formats are Rust's.
fn in_plain_words(schema: &mut Schema) {
    transform_subschemas(&mut in_plain_words, schema);
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    schema.remove("format");
}

/// A number or a word may also be a value of `each`.
fn or_placeholder(schema: &mut Schema) {
    transform_subschemas(&mut or_placeholder, schema);
    let words = schema.get("enum").is_some() || schema.get("oneOf").is_some_and(are_constants);
    let typed = schema.get("type").and_then(Value::as_str);
    let placeholder = json!({ "type": "string", "pattern": "^\\{\\{.+\\}\\}$" });
    match typed {
        _ if words => {
            let described = schema.remove("description");
            let word = schema.clone().to_value();
            schema.ensure_object().clear();
            schema.insert("anyOf".to_owned(), json!([word, placeholder]));
            if let Some(description) = described {
                schema.insert("description".to_owned(), description);
            }
        }
        Some(scalar @ ("integer" | "number" | "boolean")) => {
            let types = json!([scalar, "string"]);
            schema.insert("type".to_owned(), types);
            schema.insert("pattern".to_owned(), placeholder["pattern"].clone());
        }
        _ => {}
    }
}

fn are_constants(forms: &Value) -> bool {
    let forms = forms.as_array();
    forms.is_some_and(|forms| forms.iter().all(|form| form.get("const").is_some()))
}
