//! What the check found, as it is printed.

use std::fmt;

/// Longest value that others are aligned to; what is longer moves its own line only.
const WIDEST: usize = 40;

/// Facts, notes and faults in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Heads the facts.
    pub(super) title: String,
    /// What is so: name and value.
    pub(super) facts: Vec<(&'static str, String)>,
    /// What promises less than it could.
    pub(super) notes: Vec<String>,
    /// What must be changed.
    pub(super) faults: Vec<String>,
    /// The same of each server, where there are several.
    pub(super) parts: Vec<Report>,
}

impl Report {
    pub(super) fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.facts.push((name, value.into()));
    }

    /// Takes over the faults of the parts, each told once with all servers that have it.
    pub(super) fn gather(&mut self) {
        let mut found: Vec<(String, Vec<String>)> = Vec::new();
        for part in &mut self.parts {
            for fault in part.faults.drain(..) {
                let title = part.title.clone();
                match found.iter_mut().find(|(known, _)| *known == fault) {
                    Some((_, titles)) => titles.push(title),
                    None => found.push((fault, vec![title])),
                }
            }
        }
        let sentence =
            |(fault, titles): (String, Vec<String>)| format!("{}: {fault}", titles.join(", "));
        self.faults.extend(found.into_iter().map(sentence));
    }

    /// Returns the faults as one text, one line each.
    pub(super) fn verdict(&self) -> Result<(), String> {
        // What a server says of itself may have line breaks.
        let one_line = |fault: &String| fault.split_whitespace().collect::<Vec<_>>().join(" ");
        let faults: Vec<_> = self.faults.iter().map(one_line).collect();
        match faults.as_slice() {
            [] => Ok(()),
            [fault] => Err(format!("fault: {fault}")),
            faults => Err(format!(
                "{} faults:\n* {}",
                faults.len(),
                faults.join("\n* ")
            )),
        }
    }
}

impl fmt::Display for Report {
    /// Prints facts and notes; the faults are the verdict's.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self
            .facts
            .iter()
            .map(|(name, value)| [(*name).to_owned(), value.clone()]);
        write!(
            formatter,
            "{}\n{}",
            self.title,
            aligned(&rows.collect::<Vec<_>>())
        )?;
        self.notes
            .iter()
            .try_for_each(|note| writeln!(formatter, "  note: {note}"))?;
        self.parts
            .iter()
            .try_for_each(|part| write!(formatter, "\n{part}"))
    }
}

/// Returns rows as lines, indented, all columns but the last padded.
pub(super) fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths
            .filter(|width| *width <= WIDEST)
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut lines = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        lines += &format!("  {}\n", line.trim_end());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_begin_below_each_other_whatever_is_in_them() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let long = "x".repeat(WIDEST + 1);
        let lines = aligned(&[
            row(["a", "•••", "default"]),
            row(["bcd", "마당", ""]),
            row(["e", &long, "file"]),
        ]);
        assert_eq!(
            lines,
            format!("  a    •••  default\n  bcd  마당\n  e    {long}  file\n")
        );
    }

    #[test]
    fn faults_are_the_verdict() {
        let report = |faults: &[&str]| Report {
            faults: faults.iter().map(|one| (*one).to_owned()).collect(),
            ..Report::default()
        };
        assert_eq!(report(&[]).verdict(), Ok(()));
        assert_eq!(report(&["a"]).verdict(), Err("fault: a".to_owned()));
        assert_eq!(
            report(&["a", "b\r\n  c"]).verdict(),
            Err("2 faults:\n* a\n* b c".to_owned())
        );
    }
}
