//! Holds documents against the schemas in docs/json: the part of JSON Schema that these use, and nothing is passed over.
//! Unit tests include this file too: it uses nothing of a crate.

use std::path::Path;

use serde_json::Value;

/// What is wrong with a document, a line each; empty if it is as `docs/json/NAME.schema.json` says.
pub fn complaints(name: &str, document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let file = load(&format!("{name}.schema.json"));
    check(&file, &file, document, "", &mut found);
    found
}

fn load(name: &str) -> Value {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = repository.join("docs/json").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn check(file: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        let mut complain = |what: String| found.push(format!("{at}: {what}"));
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "examples" => (),
            "$ref" => {
                let (other, pointer) = rule.as_str().unwrap().split_once('#').unwrap();
                let other = if other.is_empty() {
                    file.clone()
                } else {
                    load(other)
                };
                check(&other, other.pointer(pointer).unwrap(), value, at, found);
            }
            "const" if rule != value => complain(format!("{value} is not {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => {
                complain(format!("{value} is none of {rule}"));
            }
            "const" | "enum" => (),
            "type" => {
                let is = |kind: &Value| match kind.as_str().unwrap() {
                    "null" => value.is_null(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "boolean" => value.is_boolean(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => panic!("{at}: type {other}"),
                };
                let right = rule
                    .as_array()
                    .map_or_else(|| is(rule), |kinds| kinds.iter().any(is));
                if !right {
                    complain(format!("{value} is not of type {rule}"));
                }
            }
            "minimum" if value.as_f64() < rule.as_f64() => complain(format!("{value} < {rule}")),
            "minimum" => (),
            "pattern" => {
                let pattern = regex::Regex::new(rule.as_str().unwrap()).unwrap();
                if !pattern.is_match(value.as_str().unwrap_or_default()) {
                    complain(format!("{value} does not match {rule}"));
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        complain(format!("has no {name}"));
                    }
                }
            }
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(file, schema, value, &format!("{at}/{name}"), found);
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, value) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(name)) {
                        continue;
                    }
                    if rule == &Value::Bool(false) {
                        found.push(format!("{at}: has {name}"));
                    } else {
                        check(file, rule, value, &format!("{at}/{name}"), found);
                    }
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(file, rule, value, &format!("{at}/{index}"), found);
                }
            }
            "oneOf" => {
                let fits = |schema: &&Value| {
                    let mut wrong = Vec::new();
                    check(file, schema, value, at, &mut wrong);
                    wrong.is_empty()
                };
                let count = rule.as_array().unwrap().iter().filter(fits).count();
                if count != 1 {
                    complain(format!("fits {count} of the alternatives: {value}"));
                }
            }
            other => panic!("{at}: this test does not know the keyword {other}"),
        }
    }
}
