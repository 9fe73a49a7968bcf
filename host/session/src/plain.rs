//! Secrets that a backend stored in plain text: the most common mistake of a backend's author.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};

use artifacts_declared::Recipients;
use artifacts_seam::{EntryFiles, InstanceView, Secret, SecretFile};
use zeroize::Zeroizing;

/// So many bytes from the middle of each secret are looked up at every place of a text. The beginnings of secrets are often
/// alike (`-----BEGIN …`), their middles are not. What is shorter is not looked for: `2026`, `data` and every digit are in
/// files that are well encrypted.
const WINDOW: usize = 16;

/// So many bytes are compared in one search: a second or two. Only what repeats the middle of a secret over and over
/// without holding all of it takes more, and that is no encrypted file either.
const WORK: u64 = 4 << 30;

/// For each secret, so many places of the filter that keeps most windows from being looked up; and the most in all.
const FILTER: usize = 256;
const LARGEST_FILTER: usize = 1 << 17;

/// The declared file whose secret is in what is to be stored, in plain text: raw or as a JSON string, in a stored file or in
/// its name. What the backend was given in the clear is no secret: its configuration, names and recipients.
pub(crate) fn stored_in_plain<'a>(
    items: &'a [(String, Secret)],
    instance: &InstanceView,
    recipients: &Recipients,
    files: &EntryFiles,
) -> Option<&'a str> {
    // Most often none is there, whatever the backend was given.
    Search::new(items).find_in(files)?;
    let mut search = Search::unknown(items, instance, recipients);
    let found = search.find_in(files)?;
    search.secrets.get(found).map(|secret| secret.file)
}

/// All texts that the backend is given in the clear.
fn given<'a>(instance: &'a InstanceView, recipients: &'a Recipients) -> impl Iterator<Item = &'a str> {
    let InstanceView { name, artifact, shared: _, targets, files, attrs } = instance;
    let pairs = |attrs: &'a [(String, String)]| attrs.iter().flat_map(|(key, value)| [key.as_str(), value]);
    let targets =
        targets.iter().flat_map(move |target| [&*target.config, &target.name].into_iter().chain(pairs(&target.attrs)));
    let files = files
        .iter()
        .flat_map(move |SecretFile { name, targets: _, attrs }| std::iter::once(name.as_str()).chain(pairs(attrs)));
    let keys = recipients.of_all_files().map(String::as_str);
    [name.as_str(), artifact].into_iter().chain(pairs(attrs)).chain(targets).chain(files).chain(keys)
}

/// A secret that is long enough to be looked for.
struct Wanted<'a> {
    /// The declared file.
    file: &'a str,
    text: &'a [u8],
}

impl Wanted<'_> {
    /// Where its window begins.
    fn window(&self) -> usize {
        (self.text.len() - WINDOW) / 2
    }
}

/// Looks for many secrets at once, in one pass over a text.
struct Search<'a> {
    secrets: Vec<Wanted<'a>>,
    /// Those that are not looked for any more.
    known: BTreeSet<usize>,
    /// Secrets by the hash of their window. No part of a secret is kept in it.
    by_window: HashMap<u64, Vec<usize>>,
    filter: Vec<bool>,
    /// What nobody who chose the texts can know, so that hashes are not alike on purpose.
    seeds: [u64; 2],
    /// Bytes that may still be compared.
    work: u64,
}

impl<'a> Search<'a> {
    fn new(items: &'a [(String, Secret)]) -> Self {
        let mut search = Self {
            secrets: Vec::new(),
            known: BTreeSet::new(),
            by_window: HashMap::new(),
            filter: vec![false; items.len().saturating_mul(FILTER).clamp(1, LARGEST_FILTER)],
            seeds: [0, 1].map(|number| RandomState::new().hash_one(number)),
            work: WORK,
        };
        let mut texts = BTreeSet::new();
        for (file, secret) in items {
            let text = core(secret.expose());
            if text.len() >= WINDOW && texts.insert(text) {
                search.add(Wanted { file, text });
            }
        }
        search
    }

    /// Looks for what the backend was not given in the clear.
    fn unknown(items: &'a [(String, Secret)], instance: &InstanceView, recipients: &Recipients) -> Self {
        let mut search = Self::new(items);
        if !search.secrets.is_empty() {
            for text in given(instance, recipients) {
                search.forget(text.as_bytes());
            }
            search.work = WORK;
        }
        search
    }

    /// The first secret that is in a stored file, or in its name.
    fn find_in(&mut self, files: &EntryFiles) -> Option<usize> {
        if self.secrets.is_empty() {
            return None;
        }
        let stored = files.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes.as_slice()]);
        stored.into_iter().find_map(|text| self.find_either(text))
    }

    fn add(&mut self, secret: Wanted<'a>) {
        let Some(window) = secret.text.get(secret.window()..).and_then(|text| text.first_chunk()) else { return };
        let hash = self.hash(window);
        let place = self.place(hash);
        if let Some(place) = self.filter.get_mut(place) {
            *place = true;
        }
        self.by_window.entry(hash).or_default().push(self.secrets.len());
        self.secrets.push(secret);
    }

    /// Where a hash is in the filter.
    fn place(&self, hash: u64) -> usize {
        usize::try_from(hash % self.filter.len() as u64).unwrap_or_default()
    }

    fn hash(&self, window: &[u8; WINDOW]) -> u64 {
        let both = u128::from_le_bytes(*window) ^ (u128::from(self.seeds[0]) << 64 | u128::from(self.seeds[1]));
        let product = (both >> 64) * (both & u128::from(u64::MAX));
        #[allow(clippy::cast_possible_truncation, reason = "both halves are used")]
        let folded = (product >> 64) as u64 ^ product as u64;
        folded
    }

    /// A secret in this text as it is, or as a JSON string.
    fn find_either(&mut self, text: &[u8]) -> Option<usize> {
        self.find(text, false).or_else(|| self.find(&unescaped(text)?, false))
    }

    /// Looks no more for what is in this text.
    fn forget(&mut self, text: &[u8]) {
        self.find(text, true);
        if let Some(text) = unescaped(text) {
            self.find(&text, true);
        }
    }

    /// The first secret in this text; or none, since all of them become known.
    fn find(&mut self, text: &[u8], to_forget: bool) -> Option<usize> {
        for (at, window) in text.windows(WINDOW).enumerate() {
            let Some(window) = window.first_chunk() else { continue };
            let hash = self.hash(window);
            if !self.filter.get(self.place(hash)).copied().unwrap_or_default() {
                continue;
            }
            for number in self.by_window.get(&hash).into_iter().flatten().copied() {
                let Some(secret) = self.secrets.get(number).filter(|_| !self.known.contains(&number)) else { continue };
                let begin = at.checked_sub(secret.window());
                let Some(here) = begin.and_then(|begin| text.get(begin..begin + secret.text.len())) else { continue };
                self.work = self.work.saturating_sub(here.len() as u64);
                match (here == secret.text, to_forget) {
                    (true, true) => drop(self.known.insert(number)),
                    (false, true) if self.work == 0 => return None,
                    (true, false) => return Some(number),
                    (false, false) if self.work == 0 => return Some(number),
                    (false, _) => {}
                }
            }
        }
        None
    }
}

/// A secret without the blanks around it, unless too little is left: a backend may cut off the last line break.
fn core(secret: &[u8]) -> &[u8] {
    let trimmed = secret.trim_ascii();
    if trimmed.len() >= WINDOW { trimmed } else { secret }
}

/// The text with JSON's escapes resolved; none when it has none.
fn unescaped(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !text.contains(&b'\\') {
        return None;
    }
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let (length, byte) = match (first, behind.first()) {
            (b'\\', Some(escape @ (b'"' | b'\\' | b'/'))) => (2, *escape),
            (b'\\', Some(b'b')) => (2, 8),
            (b'\\', Some(b'f')) => (2, 12),
            (b'\\', Some(b'n')) => (2, b'\n'),
            (b'\\', Some(b'r')) => (2, b'\r'),
            (b'\\', Some(b't')) => (2, b'\t'),
            (b'\\', Some(b'u')) => {
                if let Some((character, length)) = unicode(rest) {
                    plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = rest.get(length..).unwrap_or_default();
                    continue;
                }
                (1, *first)
            }
            _ => (1, *first),
        };
        plain.push(byte);
        rest = rest.get(length..).unwrap_or_default();
    }
    Some(plain)
}

/// The character of `\u1234`, or of the two of a surrogate pair, and their length.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = |text: &[u8]| {
        let digits = std::str::from_utf8(text.strip_prefix(b"\\u")?.get(..4)?).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(text)?;
    let second = text.get(6..).and_then(unit);
    let both: Vec<u16> = [Some(first), second].into_iter().flatten().collect();
    let character = char::decode_utf16(both).next()?.ok()?;
    Some((character, if character.len_utf16() == 2 { 12 } else { 6 }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_seam::TargetView;

    use super::*;

    fn instance(config: &str) -> InstanceView {
        let target = |name: &str| TargetView {
            kind: "nixos".to_owned(),
            name: name.to_owned(),
            config: config.into(),
            attrs: vec![("key".to_owned(), "a value for what comes later".to_owned())],
        };
        InstanceView {
            name: "per-machine/web1/an-artifact-of-a-long-name".to_owned(),
            artifact: "an-artifact-of-a-long-name".to_owned(),
            shared: false,
            targets: vec![target("web1")],
            files: Vec::new(),
            attrs: Vec::new(),
        }
    }

    fn secrets(texts: &[&[u8]]) -> Vec<(String, Secret)> {
        texts.iter().enumerate().map(|(number, text)| (format!("f{number}"), Secret::new(text.to_vec()))).collect()
    }

    fn found(secrets: &[(String, Secret)], stored: &[u8]) -> Option<String> {
        let files = [("f.age".to_owned(), stored.to_vec())].into();
        stored_in_plain(secrets, &instance("{}"), &Recipients::new(), &files).map(str::to_owned)
    }

    /// What is found, and how many bytes are compared for it.
    fn compared(secrets: &[(String, Secret)], files: &EntryFiles) -> (Option<usize>, u64) {
        let mut search = Search::unknown(secrets, &instance("{}"), &Recipients::new());
        let found = search.find_in(files);
        (found, WORK - search.work)
    }

    /// How writers of JSON write one text.
    fn as_json(text: &str) -> Vec<String> {
        let usual = serde_json::to_string(text).unwrap_or_default();
        let mut ascii = String::new();
        for unit in text.encode_utf16() {
            match char::from_u32(unit.into()) {
                Some(plain) if plain.is_ascii_alphanumeric() => ascii.push(plain),
                _ => ascii.extend(format!("\\u{unit:04X}").chars()),
            }
        }
        vec![usual.clone(), usual.replace('/', "\\/"), usual.replace('<', "\\u003c"), ascii]
    }

    #[test]
    fn a_secret_is_found_wherever_it_is_and_however_json_writes_it() {
        let secret = "päss/\"word\"\\ <of>\n🔑 sixteen or more";
        let secrets = secrets(&[b"another secret of some length", secret.as_bytes()]);
        for text in as_json(secret).iter().map(String::as_str).chain([secret]) {
            for around in ["", "x", "{\"f\": \"", "\u{1}\u{ff}", "\\n\\\\"] {
                let stored = format!("{around}{text}{around}");
                assert_eq!(found(&secrets, stored.as_bytes()).as_deref(), Some("f1"), "{stored}");
            }
        }
        let cut = &secret.as_bytes()[..secret.len() - 1];
        assert_eq!(found(&secrets, cut), None);
        assert_eq!(found(&secrets, secret.replace('w', "W").as_bytes()), None);
        assert_eq!(found(&secrets, b""), None);
        assert_eq!(found(&secrets, b"\\u12\\uzzzz\\ud800\\ud800\\udc00\\"), None);
    }

    #[test]
    fn sixteen_bytes_are_enough_and_fifteen_are_not() {
        for (length, expected) in [(15, None), (16, Some("f0")), (17, Some("f0"))] {
            let secret: Vec<u8> = (0..length).map(|number| number * 7 + 3).collect();
            let stored = [b"before".as_slice(), &secret, b"behind"].concat();
            assert_eq!(found(&secrets(&[&secret]), &stored).as_deref(), expected, "{length}");
        }
        assert_eq!(found(&secrets(&[b"0123456789abcdef\n"]), b"key: 0123456789abcdef").as_deref(), Some("f0"));
        assert_eq!(found(&secrets(&[b"0123456789abcde\n"]), b"key: 0123456789abcde").as_deref(), None);
        assert_eq!(found(&secrets(&[b"0123456789abcde\n"]), b"0123456789abcde\n").as_deref(), Some("f0"));
    }

    #[test]
    fn a_stored_files_name_counts() {
        let secrets = secrets(&[b"correct-horse-battery"]);
        let files = [("correct-horse-battery.age".to_owned(), Vec::new())].into();
        assert_eq!(stored_in_plain(&secrets, &instance("{}"), &Recipients::new(), &files), Some("f0"));
    }

    #[test]
    fn what_was_given_in_the_clear_is_no_secret() {
        let given = [
            ("age1 a key of the configuration", r#"{"publicHostKey":"age1 a key of the configuration"}"#),
            ("a \"quoted\"\ntext of it", r#"{"x":"a \"quoted\"\ntext of it"}"#),
            ("an-artifact-of-a-long-name", "{}"),
            ("a value for what comes later", "{}"),
            ("age1 a recipient that is derived", "{}"),
        ];
        let of_all = "age1 a recipient that is derived".to_owned();
        let recipients = Recipients::from_iter([("f0".parse().unwrap(), BTreeSet::from([of_all]))]);
        for (text, config) in given {
            let secrets = secrets(&[text.as_bytes(), b"correct-horse-battery"]);
            let look = |stored: &str| {
                let files = [("f".to_owned(), stored.as_bytes().to_vec())].into();
                stored_in_plain(&secrets, &instance(config), &recipients, &files)
            };
            assert_eq!(look(text), None, "{text}");
            assert_eq!(look(&format!("{text}{text} correct-horse-battery")), Some("f1"), "{text}");
        }
    }

    #[test]
    fn many_large_files_take_little_work() {
        let noise = |seed: u64, length: usize| -> Vec<u8> {
            let step = |state: &mut u64| {
                *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                Some(state.to_be_bytes()[0])
            };
            std::iter::successors(Some(seed), |_| None)
                .flat_map(|seed| {
                    let mut state = seed;
                    std::iter::from_fn(move || step(&mut state))
                })
                .take(length)
                .collect()
        };
        // The beginnings are alike, as those of keys are.
        let alike = vec![b'-'; 4096];
        let texts: Vec<Vec<u8>> = (0..4096).map(|number| [alike.as_slice(), &noise(number, 4096)].concat()).collect();
        let secrets = secrets(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let files: EntryFiles =
            (0..4096).map(|number| (format!("{number}.age"), noise(number + 9999, 16 << 10))).collect();
        // Each place is looked at once, and next to none of them are compared.
        let stored: usize = files.values().map(Vec::len).sum();
        assert_eq!(compared(&secrets, &files), (None, 0), "of {stored} bytes");
    }

    #[test]
    fn what_repeats_the_middle_of_a_secret_without_end_is_not_compared_without_end() {
        let mut secret = vec![b'a'; 8 << 20];
        secret[0] = b'b';
        secret[(8 << 20) - 1] = b'b';
        let files = [("f.age".to_owned(), vec![b'a'; 32 << 20])].into();
        assert_eq!(compared(&secrets(&[&secret]), &files), (Some(0), WORK));
    }

    proptest::proptest! {
        #[test]
        fn it_finds_what_a_plain_search_finds(
            texts in proptest::collection::vec("[ab]{14,20}", 1..4),
            stored in "[ab]{0,80}",
        ) {
            let secrets = secrets(&texts.iter().map(String::as_bytes).collect::<Vec<_>>());
            let plain = texts.iter().any(|text| text.len() >= WINDOW && stored.contains(text.as_str()));
            proptest::prop_assert_eq!(found(&secrets, stored.as_bytes()).is_some(), plain);
        }
    }
}
