//! The examples of `docs/api.md` are run in their order on a node, and their answers compared with the page.
//!
//! A block `sh` is run by bash; `sh no-run` is what the test does in its own way: it starts the node. A block `json` or
//! `http` right behind it is its answer: the same members of the same types, and the same values but for those that
//! are another one each time.

use std::path::Path;

use madang::config::Settings;
use madang::protocol::ErrorCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::cluster::{Cluster, settings};
use crate::support::page::Page;

const PAGE: &str = include_str!("../../docs/api.md");
/// Members whose values the page cannot know.
const VARYING: [&str; 11] = [
    "epoch",
    "at",
    "start",
    "node",
    "version",
    "revision",
    "generation",
    "pod",
    "address",
    "sessions",
    "cursor",
];

/// A fenced block of the page.
#[derive(Debug)]
struct Block {
    line: usize,
    info: &'static str,
    text: String,
}

/// Returns the fenced blocks of the page; one within a list loses its indent.
fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (line, text) in (1..).zip(PAGE.lines()) {
        match text.trim_start().strip_prefix("```") {
            Some(_) if is_open => is_open = false,
            Some(info) => {
                is_open = true;
                let text = String::new();
                blocks.push(Block { line, info, text });
            }
            None if is_open => {
                let block = blocks.last_mut().unwrap();
                block.text += text.strip_prefix("   ").unwrap_or(text);
                block.text.push('\n');
            }
            None => {}
        }
    }
    blocks
}

/// Where the examples are run.
struct Desk {
    directory: TempDir,
    variables: Vec<(String, String)>,
    /// The node and the people in its room `ops`.
    node: Option<(Cluster, Vec<Page>)>,
}

impl Desk {
    /// Starts the node as the page says, with three people in the room.
    async fn start(&mut self) {
        let mut settings = settings();
        settings.limits = Settings::default().limits;
        settings.fleet.name = Some("chat/madang".to_owned());
        settings.api.keys_file = Some(self.directory.path().join("keys.toml"));
        let cluster = Cluster::memory_with(1, settings).await;
        let mut people = Vec::new();
        for name in ["Ann", "Bo", "Cho"] {
            let mut page = cluster.page(0, name).await;
            page.join("ops").await;
            people.push(page);
        }
        let watcher = &mut people[0];
        watcher
            .find("all are there", |frame| {
                frame["type"] == "presence" && frame["count"] == 3
            })
            .await;
        let key = std::fs::read_to_string(self.directory.path().join("deploy.key")).unwrap();
        self.set("MADANG", &format!("http://{}", cluster.nodes[0].address()));
        self.set("KEY", key.trim());
        self.node = Some((cluster, people));
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Runs a block and returns what it prints.
    async fn run(&self, block: &Block) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_madang")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command
            .args(["-eu", "-o", "pipefail", "-c", &block.text])
            .current_dir(self.directory.path())
            .env("PATH", path)
            .env("HOME", self.directory.path())
            .env("NO_PROXY", "*")
            .envs(self.variables.iter().cloned())
            .kill_on_drop(true);
        let Block { line, text, .. } = block;
        let output = timeout(PATIENCE, command.output()).await;
        let output = output
            .unwrap_or_else(|_| panic!("docs/api.md:{line} does not end:\n{text}"))
            .unwrap_or_else(|error| panic!("docs/api.md:{line} needs bash: {error}"));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "docs/api.md:{line} fails with {}:\n{text}\n{printed}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
        );
        printed
    }

    /// Keeps what the next examples continue with, as the page says.
    fn keep(&mut self, answer: &Value) {
        for (member, name) in [("epoch", "EPOCH"), ("cursor", "CURSOR")] {
            if let Some(value) = answer[member].as_str() {
                self.set(name, value);
            }
        }
    }
}

/// Takes an answer apart: status line and headers, if it has them, and JSON.
fn answer(text: &str) -> Result<(Vec<String>, Value), String> {
    let text = text.replace("\r\n", "\n");
    let (head, body) = match text.split_once("\n\n") {
        Some((head, body)) if head.starts_with("HTTP/") => (head, body),
        _ => ("", &*text),
    };
    let body = serde_json::from_str(body).map_err(|error| format!("{error}: {body}"))?;
    Ok((
        head.lines()
            .map(|line| line.trim_end().to_owned())
            .collect(),
        body,
    ))
}

/// Adds to `faults` where a value is not as the page says.
fn compare(at: &str, page: &Value, real: &Value, faults: &mut Vec<String>) {
    match (page, real) {
        (Value::Object(page), Value::Object(real)) => {
            // Whom the page calls Ann has another id each time, and pages of members begin with anybody.
            let is_person = page
                .get("id")
                .is_some_and(|id| !id.as_str().unwrap_or_default().starts_with("api:"));
            for (name, expected) in page {
                let at = format!("{at}.{name}");
                let varies =
                    VARYING.contains(&&**name) || (is_person && ["id", "name"].contains(&&**name));
                match real.get(name) {
                    None => faults.push(format!("{at} is not in the answer")),
                    Some(real) if varies => {
                        if std::mem::discriminant(expected) != std::mem::discriminant(real) {
                            faults.push(format!("{at} is {real}, of another type than {expected}"));
                        }
                    }
                    Some(real) => compare(&at, expected, real, faults),
                }
            }
            for name in real.keys().filter(|name| !page.contains_key(*name)) {
                faults.push(format!("{at}.{name} is not on the page"));
            }
        }
        (Value::Array(page), Value::Array(real)) if page.len() == real.len() => {
            for (index, (page, real)) in page.iter().zip(real).enumerate() {
                compare(&format!("{at}[{index}]"), page, real, faults);
            }
        }
        (page, real) if page == real => {}
        (page, real) => faults.push(format!("{at} is {real}, not {page}")),
    }
}

fn judge(page: &Block, printed: &str) -> Value {
    let line = page.line;
    let (expected_head, expected) = answer(&page.text)
        .unwrap_or_else(|error| panic!("docs/api.md:{line} is no answer: {error}"));
    let (head, real) = answer(printed)
        .unwrap_or_else(|error| panic!("docs/api.md:{line}: the answer is not JSON: {error}"));
    let mut faults = Vec::new();
    for expected in expected_head {
        if !head.contains(&expected) {
            faults.push(format!("{expected:?} is not among {head:?}"));
        }
    }
    compare("answer", &expected, &real, &mut faults);
    let told = faults.join("\n");
    assert!(
        faults.is_empty(),
        "docs/api.md:{line} is not what a node answers:\n{told}\n{printed}"
    );
    real
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_run_in_their_order_and_answer_as_the_page_says() {
    let mut desk = Desk {
        directory: TempDir::with_prefix("madang-docs-").unwrap(),
        variables: Vec::new(),
        node: None,
    };
    let blocks = blocks();
    let mut compared = 0;
    for (index, block) in blocks.iter().enumerate() {
        match block.info {
            "sh no-run" if desk.node.is_none() => desk.start().await,
            "sh" => {
                let printed = desk.run(block).await;
                let next = blocks.get(index + 1);
                if let Some(page) = next.filter(|next| ["json", "http"].contains(&next.info)) {
                    let real = judge(page, &printed);
                    desk.keep(&real);
                    compared += 1;
                }
            }
            "json" | "http" | "toml" => {}
            info => panic!("docs/api.md:{}: a block {info:?}", block.line),
        }
    }
    let answers = blocks
        .iter()
        .filter(|block| ["json", "http"].contains(&block.info));
    assert_eq!(compared, answers.count(), "an answer without its example");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_a_file_is_one_that_a_node_takes() {
    let directory = TempDir::with_prefix("madang-docs-").unwrap();
    let path = directory.path().join("keys.toml");
    let blocks = blocks();
    let example = blocks.iter().find(|block| block.info == "toml").unwrap();
    std::fs::write(&path, &example.text).unwrap();
    let mut settings = settings();
    settings.api.keys_file = Some(path);
    let cluster = Cluster::memory_with(1, settings).await;
    assert_eq!(cluster.nodes[0].metrics().api_keys.get(), 1);
}

#[test]
fn the_table_of_codes_says_what_the_code_does() {
    for code in ErrorCode::ALL {
        let anchor = format!("| <a id=\"{code}\"></a>`{code}` | ");
        let rows: Vec<_> = PAGE
            .lines()
            .filter_map(|line| line.strip_prefix(&*anchor))
            .collect();
        let &[row] = &*rows else {
            panic!("{} rows begin with {anchor}", rows.len());
        };
        let cells: Vec<_> = row.split(" | ").collect();
        let statuses: Vec<_> = cells[0].split(", ").collect();
        let status = code.http_status().to_string();
        assert!(
            statuses.contains(&&*status)
                || (statuses == ["–"] && cells[2].starts_with("WebSocket only")),
            "{code}: {row}"
        );
        assert_eq!(
            cells[1],
            if code.is_retryable() { "yes" } else { "no" },
            "{code}"
        );
    }
}

#[test]
fn what_differs_from_the_page_is_found() {
    let page = serde_json::json!({"epoch": "a", "seq": 1, "user": {"id": "x", "name": "Ann"}, "list": [{"a": 1}]});
    let judged = |pointer: &str, value: Value| {
        let mut real = page.clone();
        *real.pointer_mut(pointer).unwrap() = value;
        let mut faults = Vec::new();
        compare("answer", &page, &real, &mut faults);
        faults.len()
    };
    assert_eq!(judged("/epoch", "b".into()), 0);
    assert_eq!(judged("/user/name", "Bo".into()), 0);
    assert_eq!(judged("/epoch", Value::Null), 1);
    assert_eq!(judged("/seq", 2.into()), 1);
    assert_eq!(judged("/list/0", serde_json::json!({"b": 1})), 2);
    assert_eq!(judged("/list", serde_json::json!([])), 1);
}
