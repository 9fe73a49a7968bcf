use crate::has_control;

/// Quotes a text as one word of a shell's command: the names are a repository's, and the command is there to be copied.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./-_@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Returns a path as an argument that git takes for this path and nothing else: in an argument, `*?[\` are a pattern's, and a
/// colon at its beginning is not a path's. Not yet quoted for a shell.
pub fn pathspec(path: &str) -> String {
    if path.starts_with(':') || path.contains(['*', '?', '[', '\\']) {
        format!(":(literal){path}")
    } else {
        path.to_owned()
    }
}

/// Returns the command of sops that prints one value of a structured file, by its key as sops-nix writes it (`a`, or `a/b` below another
/// key); none where no such command exists: sops splits its argument at each `[`, and knows no escapes.
pub fn sops_extract(key: &str, path: &str) -> Option<String> {
    if key.contains('[') || has_control(key) {
        return None;
    }
    let steps: Vec<String> = key.split('/').map(|step| format!("[\"{step}\"]")).collect();
    Some(format!("sops decrypt --extract {} {}", shell_word(&steps.concat()), shell_word(path)))
}

/// Returns the command of sops that prints a whole file, by sops' name of its format (`dotenv`).
pub fn sops_text(format: &str, path: &str) -> String {
    format!("sops decrypt --input-type {format} --output-type {format} {}", shell_word(path))
}

/// Returns the words of a hint that is one command between backticks and nothing else, as [`shell_word`] quotes them: what a
/// program can run as it is. A flag, an option's name, and a command with a placeholder such as `FILE` are none.
pub fn command_words(hint: &str) -> Option<Vec<String>> {
    let command = hint.strip_prefix('`')?.strip_suffix('`')?;
    let words = split(command)?;
    let is_placeholder = |word: &String| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
    let program = words.first()?;
    let runs = words.len() > 1 && !program.starts_with('-') && !program.contains('.');
    (runs && !words.iter().any(is_placeholder)).then_some(words)
}

/// Splits a command of plain and single-quoted words; none if a shell would do more with it than run it.
fn split(command: &str) -> Option<Vec<String>> {
    let mut words = vec![];
    let mut word = None::<String>;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next().filter(|c| *c == '\'')?),
            c if c.is_ascii_alphanumeric() || "./-_@+=:,%".contains(c) => word.get_or_insert_default().push(c),
            _ => return None,
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use super::{command_words, pathspec, shell_word, sops_extract};

    #[test]
    fn a_key_is_for_sops_what_stands_between_the_outer_quotes() {
        for (key, command) in [
            ("a", Some(r#"sops decrypt --extract '["a"]' 'x y.yaml'"#)),
            ("a/b", Some(r#"sops decrypt --extract '["a"]["b"]' 'x y.yaml'"#)),
            (r#"a"b\]"#, Some(r#"sops decrypt --extract '["a"b\]"]' 'x y.yaml'"#)),
            ("it's", Some(r#"sops decrypt --extract '["it'\''s"]' 'x y.yaml'"#)),
            ("a[0", None),
            ("a\nb", None),
        ] {
            assert_eq!(sops_extract(key, "x y.yaml").as_deref(), command);
        }
    }

    #[test]
    fn a_hint_that_is_one_command_is_its_words() {
        let words = ["artifacts", "set", "shared/a b", "it's `$HOME`", "--dry-run"];
        let command: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        assert_eq!(command_words(&format!("`{}`", command.join(" "))).unwrap(), words);
        assert_eq!(command_words("`git restore -- secrets/a`").unwrap()[2], "--");
        for other in [
            "run `artifacts status`",
            "`artifacts status` lists them",
            "keep: `artifacts adopt a`",
            "`artifacts adopt a`; `artifacts generate a`",
            "`mkdir -p a && mv b a/`",
            "`… | artifacts set a b`",
            "`artifacts set INSTANCE FILE`",
            "`--accept-recipients`",
            "`artifacts.backends a`",
            "`artifacts set 'a`",
            "declare it again",
            "",
        ] {
            assert_eq!(command_words(other), None, "{other}");
        }
    }

    #[test]
    fn a_path_is_a_pathspec_of_itself() {
        for path in ["secrets/shared/tls", "secrets/per-machine/web1/a b", "a:b", "secrets/per-user/a@b/$x"] {
            assert_eq!(pathspec(path), path);
        }
        for path in ["secrets/shared/*", "s?", "[a]", r"a\b", ":/a", ":(glob)a"] {
            assert_eq!(pathspec(path), format!(":(literal){path}"));
        }
    }

    #[test]
    fn a_word_is_what_it_was_to_a_shell_and_plain_where_it_can_be() {
        assert_eq!(shell_word("per-user/alice@laptop/c++_1.0"), "per-user/alice@laptop/c++_1.0");
        for text in ["two words", "$HOME", "`id`", "it's", "a;b", "", "'", "\\"] {
            let script = format!("printf %s {}", shell_word(text));
            let said = Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), text);
        }
    }
}
