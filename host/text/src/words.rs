use std::fmt::Display;

/// The largest number of names that a list shows.
const NAMED: usize = 10;

/// Returns a number and its noun, in the plural where it is not one: `1 file`, `2 files`, `2 entries`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    if count == N::from(1) {
        return format!("{count} {noun}");
    }
    let stem = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    match stem {
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

/// Returns the word that agrees with a number: `is` or `are`, `it` or `them`.
pub fn agreeing<'a, N: Copy + PartialEq + From<u8>>(count: N, one: &'a str, more: &'a str) -> &'a str {
    if count == N::from(1) { one } else { more }
}

/// Returns the first ten names, separated by commas, and how many more there are.
pub fn listed<S: AsRef<str>>(names: &[S]) -> String {
    listed_up_to(names, NAMED)
}

/// Returns the first `most` names, separated by commas, and how many more there are.
pub fn listed_up_to<S: AsRef<str>>(names: &[S], most: usize) -> String {
    let shown = names.iter().take(most).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Returns a number for a person, with separators: `5,000,000`.
pub fn separated(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_and_a_verb_agree_with_their_number() {
        assert_eq!([counted(1, "file"), counted(0_u64, "file"), counted(2, "file")], ["1 file", "0 files", "2 files"]);
        assert_eq!([counted(1, "entry"), counted(2, "entry"), counted(2, "day")], ["1 entry", "2 entries", "2 days"]);
        assert_eq!((agreeing(1, "is", "are"), agreeing(2_u64, "is", "are")), ("is", "are"));
    }

    #[test]
    fn a_list_names_ten_and_counts_the_others() {
        let names: Vec<String> = (0..12).map(|number| number.to_string()).collect();
        assert_eq!(listed(&names), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
        assert_eq!(listed(&["a", "b"]), "a, b");
        assert_eq!(listed_up_to(&["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(listed::<&str>(&[]), "");
    }

    #[test]
    fn a_large_number_is_separated() {
        assert_eq!([0, 999, 1000, 5_000_000].map(separated), ["0", "999", "1,000", "5,000,000"]);
    }
}
