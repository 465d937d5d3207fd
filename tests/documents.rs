//! The README and its neighbors against the code: tables, links, names.
//!
//! `UPDATE_DOCS=1 cargo test --test documents` writes the table of settings anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use madang::broker::redis::rights::{acl_rule, cluster_acl_rule};
use madang::config::{Settings, markdown_table};
use madang::telemetry::Metrics;

const ENGLISH: &str = "README.md";
const KOREAN: &str = "README.ko.md";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns where the text between `<!-- name -->` and `<!-- /name -->` stands.
fn between(text: &str, name: &str) -> std::ops::Range<usize> {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let begin = text.find(&open).unwrap_or_else(|| panic!("no {open:?}")) + open.len();
    begin
        ..begin
            + text[begin..]
                .find(&close)
                .unwrap_or_else(|| panic!("no {close:?}"))
}

/// Returns the cells of a table, row by row, without its head.
fn rows(table: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        line.trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    table.lines().skip(2).map(cells).collect()
}

fn rows_of(path: &str, name: &str) -> Vec<Vec<String>> {
    let text = read(path);
    rows(&text[between(&text, name)])
}

#[test]
fn the_table_of_settings_is_the_code() {
    let (text, table) = (read(ENGLISH), markdown_table());
    let range = between(&text, "settings");
    if text[range.clone()] == table {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(
            root().join(ENGLISH),
            format!("{}{table}{}", &text[..range.start], &text[range.end..]),
        )
        .unwrap();
        return;
    }
    let known: HashSet<&str> = text[range.clone()].lines().collect();
    let new: Vec<&str> = table.lines().filter(|line| !known.contains(line)).collect();
    panic!(
        "{ENGLISH} is behind the code; UPDATE_DOCS=1 cargo test --test documents writes:\n{}",
        new.join("\n")
    );
}

#[test]
fn the_korean_table_of_settings_has_the_same_rows() {
    let key_and_default = |row: &Vec<String>| (row[0].clone(), row[1].replace("empty", "없음"));
    let code: Vec<_> = rows(&markdown_table())
        .iter()
        .map(key_and_default)
        .collect();
    let korean: Vec<_> = rows_of(KOREAN, "settings")
        .iter()
        .map(key_and_default)
        .collect();
    for (code, korean) in code.iter().zip(&korean) {
        assert_eq!(korean, code, "setting and default in {KOREAN}");
    }
    assert_eq!(korean.len(), code.len(), "rows in {KOREAN}");
}

/// Returns the names that a node shows, with a child for every family that has labels.
fn metric_names() -> BTreeSet<String> {
    let metrics = Metrics::new();
    let Metrics {
        sessions_closed,
        sessions_let_go,
        upgrades_refused,
        messages_refused,
        requests_refused,
        gaps_told,
        ..
    } = &metrics;
    for family in [
        sessions_closed,
        sessions_let_go,
        upgrades_refused,
        messages_refused,
        requests_refused,
        gaps_told,
    ] {
        family.with_label_values(&["word"]).inc();
    }
    metrics
        .api_requests
        .with_label_values(&["path", "200"])
        .inc();
    for family in [
        &metrics.peer_answers,
        &metrics.grants,
        &metrics.rebalance_stops,
    ] {
        family.with_label_values(&["word"]).inc();
    }
    let conflicts = &metrics.fleet_conflicts;
    conflicts.with_label_values(&["word"]).set(1);
    let page = metrics.render();
    let names = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    names
        .filter(|name| name.starts_with("madang_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_tables_of_metrics_are_the_code() {
    let shown = metric_names();
    for path in [ENGLISH, KOREAN] {
        let told: BTreeSet<String> = rows_of(path, "metrics")
            .iter()
            .map(|row| row[0].trim_matches('`').to_owned())
            .collect();
        let missing: Vec<_> = shown.difference(&told).collect();
        let gone: Vec<_> = told.difference(&shown).collect();
        assert!(
            missing.is_empty() && gone.is_empty(),
            "{path} lacks {missing:?}, and has {gone:?} too many"
        );
    }
}

#[test]
fn variables_and_metrics_in_the_text_exist() {
    let loaded = Settings::load(None, []).unwrap();
    let mut known: BTreeSet<String> = loaded
        .effective
        .into_iter()
        .map(|setting| setting.variable)
        .collect();
    // The file of the settings, and what a build is told.
    known.extend(["MADANG_CONFIG".to_owned(), "MADANG_REVISION".to_owned()]);
    let metrics = metric_names();
    for path in [ENGLISH, KOREAN] {
        let text = read(path);
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if word.starts_with("MADANG_") {
                assert!(known.contains(word), "{path} names {word}");
            }
            if word.starts_with("madang_") {
                assert!(metrics.contains(word), "{path} names {word}");
            }
        }
    }
}

#[test]
fn the_rule_for_the_user_in_redis_is_the_code() {
    for rule in [acl_rule("madang"), cluster_acl_rule("madang")] {
        let rule = format!("ACL SETUSER madang on >password {rule}");
        for path in [ENGLISH, KOREAN] {
            let holds = read(path).lines().any(|line| line == rule);
            assert!(holds, "{path} lacks the line\n{rule}");
        }
    }
}

#[test]
fn targets_of_make_exist() {
    let makefile = read("Makefile");
    for path in [ENGLISH, KOREAN] {
        let text = read(path);
        let calls = text
            .lines()
            .filter(|line| line.starts_with("make "))
            .chain(text.split('`'));
        for target in calls.filter_map(|call| call.strip_prefix("make ")) {
            let is_there = makefile
                .lines()
                .any(|line| line.starts_with(&format!("{target}:")));
            assert!(is_there, "{path} names make {target}");
        }
    }
}

/// Returns the targets of all links and pictures in a document.
fn links(text: &str) -> Vec<String> {
    let inline = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let sources = text
        .split("src=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    inline.chain(sources).map(str::to_owned).collect()
}

/// Returns the anchors of a document's headings, as code hosts make them.
fn anchors(text: &str) -> HashSet<String> {
    let headings = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// Returns all Markdown documents: those at the top and those below `docs`.
fn documents() -> Vec<PathBuf> {
    fn below(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    let mut found = vec![root().join(ENGLISH), root().join(KOREAN)];
    below(&root().join("docs"), &mut found);
    found
}

#[test]
fn links_are_relative_and_lead_somewhere() {
    let documents = documents();
    assert!(documents.len() > 4, "{documents:?}");
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            let shown = document.display();
            assert!(
                !link.contains("://") && !link.starts_with('/'),
                "{shown}: {link} is not relative"
            );
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(path)
            };
            assert!(target.exists(), "{shown}: {link} leads nowhere");
            if !anchor.is_empty() {
                let headings = anchors(&fs::read_to_string(&target).unwrap());
                assert!(
                    headings.contains(anchor),
                    "{shown}: {link} names no heading of {headings:?}"
                );
            }
        }
    }
}

#[test]
fn both_readmes_have_the_same_shape() {
    let shape = |path: &str| -> Vec<String> {
        let text = read(path);
        let words = text.lines().filter_map(|line| line.split(' ').next());
        let marks = words.filter(|word| {
            ["#", "```", "<!--", "<img"]
                .iter()
                .any(|mark| word.starts_with(mark))
        });
        marks.map(str::to_owned).collect()
    };
    assert_eq!(
        shape(KOREAN),
        shape(ENGLISH),
        "headings, blocks and pictures in their order"
    );
}
