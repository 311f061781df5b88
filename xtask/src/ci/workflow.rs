//! A workflow file as types: what ci-local and the rules need of it. All else is the forge's and act's to read.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Workflow {
    pub name: Option<String>,
    pub on: On,
    #[serde(default)]
    pub env: BTreeMap<String, Scalar>,
    pub concurrency: Option<Concurrency>,
    pub jobs: Ordered<Job>,
}

/// When a workflow runs.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
pub enum On {
    One(String),
    Many(Vec<String>),
    Each(Ordered<Trigger>),
}

/// What stands behind an event: what narrows it, nothing, or the times of a schedule, which nobody here asks for.
#[derive(Debug)]
pub struct Trigger(Option<Filter>);

/// What narrows an event.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Filter {
    pub branches: Option<Words>,
    pub branches_ignore: Option<Words>,
    pub tags: Option<Words>,
    pub tags_ignore: Option<Words>,
    pub paths: Option<Words>,
    pub paths_ignore: Option<Words>,
    pub types: Option<Words>,
    pub inputs: Option<Ordered<Option<Input>>>,
}

/// An input of a manual dispatch.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Input {
    pub required: bool,
    pub default: Option<Scalar>,
}

/// Of runs of the same workflow, whether the newer ends the older.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Concurrency {
    pub cancel_in_progress: Option<Scalar>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Job {
    pub name: Option<String>,
    #[serde(default)]
    pub needs: Words,
    pub runs_on: Option<Words>,
    #[serde(rename = "if")]
    pub condition: Option<Scalar>,
    pub timeout_minutes: Option<Scalar>,
    pub strategy: Option<Strategy>,
    /// The workflow that this job is, in place of steps.
    pub uses: Option<String>,
    #[serde(default)]
    pub env: BTreeMap<String, Scalar>,
    #[serde(default)]
    pub steps: Vec<Step>,
    pub container: Option<IgnoredAny>,
    pub services: Option<IgnoredAny>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Strategy {
    pub matrix: Option<Matrix>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
pub enum Matrix {
    /// An expression, known only when an earlier job is done.
    Computed(String),
    Written(BTreeMap<String, Axis>),
}

#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
pub enum Axis {
    Computed(String),
    Values(Vec<Cell>),
}

#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
pub enum Cell {
    Value(Scalar),
    /// One of `include` or `exclude`.
    Leg(BTreeMap<String, Scalar>),
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Step {
    pub id: Option<String>,
    pub name: Option<String>,
    #[serde(rename = "if")]
    pub condition: Option<Scalar>,
    pub uses: Option<String>,
    pub run: Option<String>,
    pub with: BTreeMap<String, Scalar>,
    pub env: BTreeMap<String, Scalar>,
    pub continue_on_error: Option<Scalar>,
}

/// One word, or a list of them.
#[derive(Debug, Default, Clone)]
pub struct Words(pub Vec<String>);

/// A plain value, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar(pub String);

/// A table in the order of the file.
#[derive(Debug)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Ordered<T> {
    pub fn get(&self, name: &str) -> Option<&T> {
        let found = self.0.iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }
}

impl Strategy {
    /// The expression that the legs are made of, if they are known only when an earlier job is done.
    pub fn computed(&self) -> Option<&str> {
        match self.matrix.as_ref()? {
            Matrix::Computed(expression) => Some(expression),
            Matrix::Written(axes) => axes.values().find_map(|axis| match axis {
                Axis::Computed(expression) => Some(expression.as_str()),
                Axis::Values(_) => None,
            }),
        }
    }
}

impl Workflow {
    /// How act and the forge call it in lists: its name, else the file's.
    pub fn title<'a>(&'a self, file: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or(file)
    }
}

impl Job {
    pub fn title<'a>(&'a self, id: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or(id)
    }

    /// All texts that may hold expressions.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let own = self
            .env
            .values()
            .chain(&self.condition)
            .map(|it| it.0.as_str());
        own.chain(self.steps.iter().flat_map(Step::texts))
    }
}

impl Step {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let values = self
            .env
            .values()
            .chain(self.with.values())
            .chain(&self.condition);
        let words = self.run.iter().chain(&self.name).map(String::as_str);
        words.chain(values.map(|it| it.0.as_str()))
    }

    /// How act calls it.
    pub fn title(&self) -> &str {
        let words = [&self.name, &self.uses, &self.run];
        words
            .into_iter()
            .flatten()
            .next()
            .map_or("a step", String::as_str)
    }

    pub fn may_fail(&self) -> bool {
        self.continue_on_error
            .as_ref()
            .is_some_and(|it| it.0 == "true")
    }
}

impl On {
    /// The names of all events.
    pub fn events(&self) -> Vec<&str> {
        match self {
            Self::One(event) => vec![event],
            Self::Many(events) => events.iter().map(String::as_str).collect(),
            Self::Each(all) => all.0.iter().map(|(event, _)| event.as_str()).collect(),
        }
    }

    /// What narrows this event; none if the workflow does not run at it at all.
    pub fn filter(&self, event: &str) -> Option<Option<&Filter>> {
        if !self.events().contains(&event) {
            return None;
        }
        let Self::Each(all) = self else {
            return Some(None);
        };
        Some(all.get(event).and_then(|trigger| trigger.0.as_ref()))
    }
}

/// # Errors
/// With line and column, if the text is no YAML or not that of a workflow.
pub fn parse(text: &str) -> Result<Workflow, serde_yaml_ng::Error> {
    serde_yaml_ng::from_str(text)
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Any {
            Bool(bool),
            Whole(i64),
            Number(f64),
            Text(String),
            Nothing(()),
        }
        Ok(Self(match Any::deserialize(deserializer)? {
            Any::Bool(value) => value.to_string(),
            Any::Whole(value) => value.to_string(),
            Any::Number(value) => value.to_string(),
            Any::Text(value) => value,
            Any::Nothing(()) => String::new(),
        }))
    }
}

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Trigger;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("filters, the times of a schedule, or nothing")
            }

            fn visit_unit<E>(self) -> Result<Trigger, E> {
                Ok(Trigger(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Trigger, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Trigger(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Trigger, A::Error> {
                let filter = Filter::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Trigger(Some(filter)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Any {
            One(Scalar),
            Many(Vec<Scalar>),
        }
        let all = match Any::deserialize(deserializer)? {
            Any::One(one) => vec![one],
            Any::Many(many) => many,
        };
        Ok(Self(all.into_iter().map(|it| it.0).collect()))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_keep_their_order_and_values_are_texts() {
        let workflow = parse(
            "on: [push]\njobs:\n  z:\n    runs-on: nix\n    timeout-minutes: 5\n    steps:\n      - run: x\n  a:\n    needs: z\n    runs-on: [nix, kvm]\n    if: true\n",
        )
        .unwrap();
        let names: Vec<&str> = workflow
            .jobs
            .0
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["z", "a"]);
        let z = workflow.jobs.get("z").unwrap();
        assert_eq!(z.timeout_minutes, Some(Scalar("5".to_owned())));
        let a = workflow.jobs.get("a").unwrap();
        assert_eq!(a.needs.0, ["z"]);
        assert_eq!(a.runs_on.as_ref().unwrap().0, ["nix", "kvm"]);
    }

    #[test]
    fn an_event_may_have_a_filter_or_none() {
        let workflow =
            parse("on:\n  push:\n    branches: main\n  pull_request:\n  schedule:\n    - cron: '1 2 * * *'\njobs: {}\n")
                .unwrap();
        let branches = |event| {
            let filter = workflow.on.filter(event)??;
            filter.branches.as_ref().map(|it| it.0.clone())
        };
        assert_eq!(branches("push"), Some(vec!["main".to_owned()]));
        assert!(matches!(workflow.on.filter("pull_request"), Some(None)));
        assert!(matches!(workflow.on.filter("schedule"), Some(None)));
        assert!(workflow.on.filter("release").is_none());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let error = parse("on: push\njobs:\n  a:\n\truns-on: nix\n").unwrap_err();
        assert!(error.to_string().contains("line 4"), "{error}");
        let error = parse("on: push\n").unwrap_err();
        assert!(error.to_string().contains("jobs"), "{error}");
    }
}
