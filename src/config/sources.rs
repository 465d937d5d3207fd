//! Where settings come from: the file and the environment.
//!
//! Each source becomes one layer of texts by key, every text with its origin; what is not a setting
//! becomes a fault.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use config::{ConfigError, Environment, File, FileFormat, Map, Source, Value, ValueKind};

use super::faults::{unknown_key, unknown_variable};
use super::sections::TABLE;
use super::table::{is_section, variable};

/// What every variable of ours begins with.
const PREFIX: &str = "MADANG_";
/// The variable that names the file.
const FILE_VARIABLE: &str = "MADANG_CONFIG";

/// The settings of one source: key → text, each with its origin.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer(Map<String, Value>);

impl Layer {
    fn insert(&mut self, key: String, text: String, origin: &str) {
        let origin = origin.to_owned();
        self.0
            .insert(key, Value::new(Some(&origin), ValueKind::String(text)));
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Returns the variables of this process.
/// What is not Unicode is replaced, so that it is told as a fault where it belongs to a setting.
pub fn process_variables() -> impl Iterator<Item = (String, String)> {
    let lossy = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (lossy(name), lossy(value)))
}

/// Reads the variables: the layer, and the file that `MADANG_CONFIG` names.
pub(super) fn environment(
    variables: impl IntoIterator<Item = (String, String)>,
    faults: &mut Vec<String>,
) -> (Layer, Option<String>) {
    let known: BTreeMap<_, _> = TABLE
        .iter()
        .map(|setting| (variable(setting.key), setting.key))
        .collect();
    let (mut file, mut ours, mut unknown) = (None, Map::new(), Vec::new());
    for (name, value) in variables {
        let begins = name
            .get(..PREFIX.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(PREFIX));
        if name == FILE_VARIABLE {
            file = Some(value).filter(|path| !path.is_empty());
        } else if known.contains_key(&name) {
            ours.insert(name, value);
        } else if begins && !is_service_link(&name, &value) {
            unknown.push(unknown_variable(&name, PREFIX));
        }
    }
    unknown.sort();
    faults.append(&mut unknown);

    // `try_parsing` stays off: it would make `0123456` a number and lose its zero.
    let environment = Environment::with_prefix("MADANG")
        .prefix_separator("_")
        .separator("__")
        .ignore_empty(true)
        .source(Some(ours));
    let mut layer = Layer::default();
    match environment.collect() {
        Ok(values) => {
            for (key, value) in values {
                let origin = variable(&key);
                layer.insert(key, text_of(&value), &origin);
            }
        }
        Err(error) => faults.push(format!("the environment cannot be read: {error}")),
    }
    (layer, file)
}

/// Returns true if Kubernetes made the variable for a Service whose name begins with `madang`, as
/// it does in every pod of its namespace: `…_SERVICE_HOST`, `…_SERVICE_PORT…`, `…_PORT=tcp://…`,
/// `…_PORT_8080_TCP…`.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let numbered = name.split_once("_PORT_").is_some_and(|(_, rest)| {
        let mut words = rest.split('_');
        let number = words.next().unwrap_or_default();
        let protocol = words.next().unwrap_or_default();
        number.parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].contains(&protocol)
    });
    let is_service = name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_");
    is_service || numbered || (name.ends_with("_PORT") && is_url)
}

/// Reads a TOML file. A file that cannot be read is one fault and an empty layer.
pub(super) fn file(path: &Path, faults: &mut Vec<String>) -> Layer {
    let origin = format!("file {}", path.display());
    let mut layer = Layer::default();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            faults.push(format!(
                "{origin} cannot be read: {error}; --config or {FILE_VARIABLE} must name a readable TOML file"
            ));
            return layer;
        }
    };
    let values = match File::from_str(&text, FileFormat::Toml).collect() {
        Ok(values) => values,
        Err(error) => {
            faults.push(format!(
                "{origin} is not valid TOML: {}",
                syntax_error(error)
            ));
            return layer;
        }
    };
    let mut leaves = BTreeMap::new();
    flatten(values, "", &mut leaves);
    for (key, value) in leaves {
        if TABLE.iter().any(|setting| setting.key == key) {
            layer.insert(key, text_of(&value), &origin);
        } else {
            faults.push(unknown_key(&key, &origin));
        }
    }
    layer
}

/// Makes tables flat: `[server] listen = …` becomes `server.listen`. An empty table counts as a
/// value, because an unknown section is a fault also when nothing is in it.
fn flatten(table: Map<String, Value>, prefix: &str, leaves: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value.kind {
            ValueKind::Table(inner) if inner.is_empty() && is_section(&key) => {}
            ValueKind::Table(inner) if !inner.is_empty() => {
                flatten(inner, &format!("{key}."), leaves)
            }
            _ => {
                leaves.insert(key, value);
            }
        }
    }
}

/// Returns a value as the text that the environment would have for it: a list by commas.
fn text_of(value: &Value) -> String {
    match &value.kind {
        ValueKind::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
        ValueKind::Table(_) => "{…}".to_owned(),
        _ => value.clone().into_string().unwrap_or_default(),
    }
}

/// Returns where and what of a TOML error, without the line itself, which may hold a secret.
fn syntax_error(error: ConfigError) -> String {
    let ConfigError::FileParse { cause, .. } = error else {
        return error.to_string();
    };
    let text = cause.to_string();
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    match (
        first.strip_prefix("TOML parse error at "),
        lines.next_back(),
    ) {
        (Some(place), Some(reason)) => format!("{place}: {reason}"),
        _ => text.lines().collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_links_of_kubernetes_are_not_ours() {
        let links = [
            ("MADANG_SERVICE_HOST", "10.96.0.1"),
            ("MADANG_SERVICE_PORT", "8080"),
            ("MADANG_SERVICE_PORT_HTTP", "8080"),
            ("MADANG_PORT", "tcp://10.96.0.1:8080"),
            ("MADANG_PORT_8080_TCP", "tcp://10.96.0.1:8080"),
            ("MADANG_PORT_8080_TCP_PROTO", "tcp"),
            ("MADANG_REDIS_PORT_6379_TCP_ADDR", "10.96.0.2"),
            ("MADANG_REDIS_SERVICE_HOST", "10.96.0.2"),
        ];
        for (name, value) in links {
            assert!(is_service_link(name, value), "{name}");
        }
        let ours = [
            ("MADANG_PORT", "8080"),
            ("MADANG_REDIS_PORT", "6379"),
            ("MADANG_PORT_X_TCP", "1"),
            ("MADANG_SERVER__LISTEN", "tcp://a"),
        ];
        for (name, value) in ours {
            assert!(!is_service_link(name, value), "{name}");
        }
    }
}
