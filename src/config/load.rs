//! From sources to settings: merge, read, check.
//!
//! Every setting is read even after a fault; one that has a fault takes its default for the rest of
//! the check, and the result is thrown away.

use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Value, ValueKind};

use super::faults::{Faults, seen};
use super::kinds::{Kind, Refusal};
use super::rules;
use super::sections::{Settings, TABLE};
use super::sources::{self, Layer};
use super::table::variable;

/// Origin of a setting that nobody set.
pub(super) const DEFAULT_ORIGIN: &str = "default";

/// Settings, and where each came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// One row per setting, in the order of the sections.
    pub effective: Vec<Effective>,
}

/// The value of a setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// `section.name`.
    pub key: &'static str,
    /// The variable that sets it.
    pub variable: String,
    /// The value in its canonical form, secrets hidden; empty if there is none.
    pub value: String,
    /// `default`, `file <path>` or the name of the variable.
    pub origin: String,
}

impl Settings {
    /// Reads the settings: a variable comes before the file, the file before the default. An empty
    /// variable is one that is not set. The file is `file`, else the one that `MADANG_CONFIG`
    /// names, else none.
    ///
    /// Variables that do not begin with `MADANG_` are not looked at, nor are those that Kubernetes
    /// makes for Services.
    ///
    /// # Errors
    /// Every fault at once: a file that cannot be read or parsed, keys that are no settings, values
    /// that are not allowed, settings that do not go together.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, Faults> {
        let mut faults = Vec::new();
        let (environment, named) = sources::environment(variables, &mut faults);
        let path = file.map(Path::to_owned).or(named.map(PathBuf::from));
        let file = path.map(|path| sources::file(&path, &mut faults));
        let merged = match merge(file, environment) {
            Ok(merged) => merged,
            Err(error) => {
                faults.push(format!("the settings cannot be merged: {error}"));
                Config::default()
            }
        };

        let mut reader = Reader {
            merged: &merged,
            effective: Vec::new(),
            faults,
            faulty: Vec::new(),
        };
        let settings = Self::take(&mut reader);
        let Reader {
            effective,
            mut faults,
            faulty,
            ..
        } = reader;
        faults.extend(rules::broken(&settings, &effective, &faulty));
        Faults::check(faults)?;
        Ok(Loaded {
            settings,
            effective,
        })
    }
}

impl Default for Settings {
    /// Returns the settings of a node that was told nothing.
    fn default() -> Self {
        let loaded = Self::load(None, std::iter::empty());
        loaded
            .expect("the default of every setting is allowed: a test loads them")
            .settings
    }
}

fn merge(file: Option<Layer>, environment: Layer) -> Result<Config, ConfigError> {
    let mut builder = Config::builder();
    for setting in TABLE {
        builder = builder.set_default(setting.key, setting.default)?;
    }
    if let Some(file) = file {
        builder = builder.add_source(file);
    }
    builder.add_source(environment).build()
}

/// Takes settings one by one out of what the sources say, and keeps the faults.
pub(super) struct Reader<'c> {
    merged: &'c Config,
    effective: Vec<Effective>,
    faults: Vec<String>,
    /// Keys of the settings whose own value is a fault.
    faulty: Vec<&'static str>,
}

impl Reader<'_> {
    /// Returns the value of a setting, its default if it has a fault.
    pub(super) fn take<K: Kind>(&mut self, key: &'static str, default: &str, kind: &K) -> K::Value {
        let (text, origin) = match find(&self.merged.cache, key) {
            Some(value) => (
                value.clone().into_string().unwrap_or_default(),
                value.origin(),
            ),
            None => (default.to_owned(), None),
        };
        // A line break at the end is common in what was made from a file.
        let text = text.trim();
        let mut row = Effective {
            key,
            variable: variable(key),
            value: String::new(),
            origin: origin.unwrap_or(DEFAULT_ORIGIN).to_owned(),
        };
        let value = match kind.parse(text) {
            Ok(value) => {
                row.value = kind.show(&value);
                value
            }
            Err(refusal) => {
                row.value = kind.hide(text);
                let reason = match refusal {
                    Refusal::NotAllowed => String::new(),
                    Refusal::Because(reason) => format!("; {reason}"),
                };
                self.faults.push(format!(
                    "{}{reason}; allowed is {}",
                    seen(&row),
                    kind.allowed()
                ));
                self.faulty.push(key);
                kind.parse(default)
                    .expect("the default of every setting is allowed: a test loads them")
            }
        };
        self.effective.push(row);
        value
    }
}

/// Finds `section.name` in a tree of tables.
fn find<'v>(root: &'v Value, key: &str) -> Option<&'v Value> {
    key.split('.')
        .try_fold(root, |value, name| match &value.kind {
            ValueKind::Table(table) => table.get(name),
            _ => None,
        })
}
