/// Returns the candidate that someone who typed `word` most likely meant: one that differs in no more than a third of the
/// characters. Of several the first.
pub fn suggestion<S: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = S>) -> Option<S> {
    let length = word.chars().count();
    let most = length / 3;
    let mut best: Option<(usize, S)> = None;
    for candidate in candidates {
        let text = candidate.as_ref();
        if text.chars().count().abs_diff(length) > most {
            continue;
        }
        let distance = strsim::osa_distance(word, text);
        if distance <= most && best.as_ref().is_none_or(|(least, _)| distance < *least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn a_typo_is_near_and_another_name_is_not() {
        let names = ["attic", "tls", "web1", "web2"];
        for (word, meant) in [
            ("attc", Some("attic")),
            ("atitc", Some("attic")),
            ("web3", Some("web1")),
            ("wbe2", Some("web2")),
            ("Tls", Some("tls")),
            ("t", None),
            ("backup", None),
            ("", None),
        ] {
            assert_eq!(suggestion(word, names), meant, "{word}");
        }
    }
}
