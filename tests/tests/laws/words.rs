//! Words that no text for a person has: `artifacts` says what is, in the words of its field.

use std::collections::BTreeSet;

use crate::sources::{collect, files_ending};
use crate::{exactly, read, top};

/// Words that sound well and say little; each has a plain one in its place.
const WORDS: [&str; 14] = [
    "anew",
    "lie",
    "lies",
    "lying",
    "mend",
    "told",
    "whoever",
    "whatever",
    "nobody",
    "slice",
    "slices",
    "named so",
    "made again",
    "made anew",
];

/// Where comments are the help of a command.
const HELP: [&str; 3] = ["host/cli/src/commands/", "host/cli/src/global.rs", "host/cli/src/instance_file.rs"];

#[test]
fn text_for_a_person_is_plain() {
    let mut found = BTreeSet::new();
    for (path, text) in texts() {
        let text = lower_words(&text);
        let uses = |word: &&&str| text.contains(&format!(" {word} "));
        found.extend(WORDS.iter().filter(uses).map(|word| format!("{path} {word}")));
    }
    exactly(&found, "words", "text for a person has a word that the plain one replaces");
}

/// Every file with text for a person, and that text.
fn texts() -> Vec<(String, String)> {
    let mut sources = Vec::new();
    for tree in ["host", "plugins"] {
        collect(&top().join(tree), &mut sources);
    }
    let is_code = |path: &str| !path.contains("/examples/") && !path.contains("/target/");
    sources.retain(|source| is_code(&source.path));
    assert!(sources.len() > 100, "the sources are found");
    let mut texts: Vec<(String, String)> =
        sources.iter().map(|source| (source.path.clone(), literals(&source.code))).collect();
    for path in sources.iter().map(|source| &source.path).filter(|path| HELP.iter().any(|help| path.starts_with(help)))
    {
        let help: String = read(path).lines().filter_map(|line| line.trim_start().strip_prefix("///")).collect();
        texts.push((path.clone(), help));
    }
    for (tree, ending) in
        [("nix", "nix"), ("nix", "md"), ("docs", "md"), ("host/cli/src/help/pages", "txt"), (".", "md")]
    {
        for file in files_ending(&top().join(tree), ending, tree != ".") {
            let text = std::fs::read_to_string(&file).unwrap();
            let is_text = |line: &&str| ending != "nix" || !line.trim_start().starts_with('#');
            let text: Vec<&str> = text.lines().filter(is_text).collect();
            texts.push((file.strip_prefix(top()).unwrap().display().to_string(), text.join("\n")));
        }
    }
    texts
}

/// A text as lower-case words, each between two spaces.
fn lower_words(text: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words: Vec<String> =
        text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    format!(" {} ", words.join(" "))
}

/// The texts between quotes.
fn literals(code: &str) -> String {
    let mut text = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(['"', '\'']) {
        let (before, quoted) = rest.split_at(at);
        if let Some(after) = quoted.strip_prefix('\'') {
            rest = after_character(after);
            continue;
        }
        let hashes = before.len() - before.trim_end_matches('#').len();
        let is_raw = before[..before.len() - hashes].ends_with('r');
        let end = if is_raw { format!("\"{}", "#".repeat(hashes)) } else { "\"".to_owned() };
        let inside = &quoted[1..];
        let length = if is_raw { inside.find(&end).unwrap_or(inside.len()) } else { unescaped_quote(inside) };
        text.push_str(&inside[..length]);
        text.push('\n');
        rest = inside.get(length + end.len()..).unwrap_or_default();
    }
    text
}

/// Where a text ends that is not raw.
fn unescaped_quote(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// What follows a character in quotes; what begins with one alone is a lifetime.
fn after_character(text: &str) -> &str {
    let mut chars = text.char_indices();
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, c))) => {
            let after = &text[at + c.len_utf8()..];
            after.find('\'').map_or(after, |end| &after[end + 1..])
        }
        (Some(_), Some((at, '\''))) => &text[at + 1..],
        _ => text,
    }
}

#[test]
fn texts_are_found_between_quotes_alone() {
    let code =
        r##"let a: &'static str = "one \" two"; let b = '"'; let c = r#"three " four"#; let d = '\''; f("five")"##;
    assert_eq!(literals(code), "one \\\" two\nthree \" four\nfive\n");
    assert_eq!(lower_words("It lies, there."), " it lies there ");
}
