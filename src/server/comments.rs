//! The page's files without the comments that stand on lines of their own.
//!
//! They are for who reads the source, and a fifth of its weight. The lines stay, empty, so that a browser names the
//! same line as the source.

/// Returns a script or a style sheet without its comments.
///
/// A comment is a line that begins with `//`, or lines from `/*` to `*/` with nothing else on them. Text over several
/// lines (a template literal) must not have such lines; the page has none.
pub(super) fn without(source: &str) -> String {
    let mut kept = String::with_capacity(source.len());
    let mut is_inside = false;
    for line in source.lines() {
        let text = line.trim();
        let begins = text.starts_with("/*");
        if is_inside || begins {
            is_inside = !text.ends_with("*/");
            // Code behind the end of a comment stays, and the comment with it.
            if begins && text.contains("*/") && is_inside {
                is_inside = false;
                kept.push_str(line);
            }
        } else if !text.starts_with("//") {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_lines_stay() {
        for (source, kept) in [
            ("// a\nb(); // c\n", "\nb(); // c\n"),
            ("/** One. */\nf();\n", "\nf();\n"),
            (
                "/**\n * Two\n * @param {x} y\n */\n  f();\n",
                "\n\n\n\n  f();\n",
            ),
            ("/* a */ b { }\nc { }\n", "/* a */ b { }\nc { }\n"),
            (
                "a = 'https://b';\nc = /\\/\\*/u;\n",
                "a = 'https://b';\nc = /\\/\\*/u;\n",
            ),
            ("", ""),
        ] {
            assert_eq!(without(source), kept, "{source}");
        }
    }
}
