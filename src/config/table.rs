//! How a list of settings becomes typed sections, a table and a reader.
//!
//! Each setting is written once, in `sections.rs`: its doc comment is the meaning that rustdoc, the
//! README and the faults show, so that they cannot drift apart.

/// One row of the table of settings.
pub(super) struct Setting {
    /// `section.name`, as in the TOML file.
    pub(super) key: &'static str,
    /// Default, as it would be written.
    pub(super) default: &'static str,
    /// What it means, Markdown.
    pub(super) meaning: &'static str,
    /// Says what is allowed.
    pub(super) allowed: fn() -> String,
}

/// The variable of a setting: `MADANG_SECTION__NAME`.
pub(super) fn variable(key: &str) -> String {
    format!("MADANG_{}", key.replace('.', "__").to_ascii_uppercase())
}

/// Returns true if a word names a section.
pub(super) fn is_section(word: &str) -> bool {
    let mut sections = super::sections::TABLE
        .iter()
        .filter_map(|setting| setting.key.split_once('.'));
    sections.any(|(section, _)| section == word)
}

/// Declares sections as `name: Type { setting: type = "default", kind; … }`.
macro_rules! settings {
    ($(
        #[doc = $about:literal]
        $section:ident: $Section:ident {
            $(
                $(#[doc = $meaning:literal])+
                $name:ident: $Type:ty = $default:literal, $kind:expr;
            )+
        }
    )+) => {
        /// All settings of a node, checked.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $(
                #[doc = $about]
                pub $section: $Section,
            )+
        }

        $(
            #[doc = $about]
            #[derive(Clone, Debug)]
            pub struct $Section {
                $(
                    $(#[doc = $meaning])+
                    #[doc = concat!("\n\nSetting `", stringify!($section), ".", stringify!($name), "`, default `", $default, "`.")]
                    pub $name: $Type,
                )+
            }
        )+

        /// Every setting, in the order of the sections.
        pub(super) static TABLE: &[Setting] = &[
            $($(
                Setting {
                    key: concat!(stringify!($section), ".", stringify!($name)),
                    default: $default,
                    meaning: concat!($($meaning),+),
                    allowed: || $kind.allowed(),
                },
            )+)+
        ];

        impl Settings {
            /// Takes every setting from a reader, which keeps the faults.
            pub(super) fn take(reader: &mut $crate::config::load::Reader<'_>) -> Self {
                Self {
                    $(
                        $section: $Section {
                            $(
                                $name: reader.take(
                                    concat!(stringify!($section), ".", stringify!($name)),
                                    $default,
                                    &$kind,
                                ),
                            )+
                        },
                    )+
                }
            }
        }
    };
}

pub(super) use settings;

/// Returns every setting as a Markdown table, for the README.
pub fn markdown_table() -> String {
    let mut table =
        "| Setting | Default | Meaning | Allowed |\n| --- | --- | --- | --- |\n".to_owned();
    for Setting {
        key,
        default,
        meaning,
        allowed,
    } in super::sections::TABLE
    {
        let variable = variable(key);
        let default = if default.is_empty() {
            "empty".to_owned()
        } else {
            format!("`{default}`")
        };
        let (meaning, allowed) = (
            meaning.trim(),
            allowed().replace('|', "\\|").replace('*', "\\*"),
        );
        table += &format!("| `{key}`<br>`{variable}` | {default} | {meaning} | {allowed} |\n");
    }
    table
}
