//! Which interfaces a backend may import, and what each one means to a person.

use std::cmp::Ordering;

use artifacts_seam::CONTRACT;

/// The interfaces of WASI 0.2 that are linked: a folder, streams, clocks, randomness and an empty command line.
const WASI: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// The interface that makes a component a backend, without its version.
pub(crate) const STORAGE: &str = "artifacts:backend/storage";
/// The interface by which a component reads secrets back, without its version.
pub(crate) const RETRIEVAL: &str = "artifacts:backend/retrieval";

/// The host's own interfaces.
const OWN: &[&str] = &[
    "artifacts:backend/age",
    "artifacts:backend/entries",
    "artifacts:backend/log",
    "artifacts:backend/secrets",
    "artifacts:backend/types",
];

/// The version of WASI whose interfaces are linked.
const WASI_VERSION: &str = "0.2.0";

/// Returns the interfaces that a backend may import, without their versions.
pub fn allowed_imports() -> impl Iterator<Item = &'static str> {
    WASI.iter().chain(OWN).copied()
}

/// Describes what an import means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// In words that complete "it would reach …".
    pub words: String,
    /// Whether backends may have it.
    pub allowed: bool,
}

/// Returns what importing `name` (with or without a version) means.
pub fn meaning(name: &str) -> Meaning {
    match unavailable(name) {
        Some(why) => Meaning { words: why.to_string(), allowed: false },
        None => Meaning { words: reached(split(name).0).to_owned(), allowed: true },
    }
}

/// Says why no backend gets an import: as a person reads it, in words that complete "which means …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// `wasi:sockets`.
    #[error("the network")]
    Sockets,
    /// `wasi:http`.
    #[error("the network, by HTTP")]
    Http,
    /// A service of WASI that is not for backends.
    #[error("a service of the host that no backend gets")]
    Service,
    /// An interface of another WASI.
    #[error("an interface of {} WASI (this host has {})", .0.word(), series(WASI_VERSION))]
    Wasi(Other),
    /// An interface of another contract.
    #[error("an interface of {} contract with backends (this host has {CONTRACT})", .0.word())]
    Contract(Other),
    /// Anything else.
    #[error("something that this host does not have")]
    Unknown,
}

/// Compares a version with this host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// It came before.
    Older,
    /// It comes later, or has more in it.
    Newer,
    /// It is not named.
    Unnamed,
}

impl Other {
    fn word(self) -> &'static str {
        match self {
            Self::Older => "an older",
            Self::Newer => "a newer",
            Self::Unnamed => "an unversioned",
        }
    }

    /// A version that is not compatible with `ours`.
    fn than(ours: &str, version: Option<&str>) -> Self {
        match version.map(|version| order(version).cmp(&order(ours))) {
            None => Self::Unnamed,
            Some(Ordering::Less) => Self::Older,
            // An interface that the same version does not have can only come from a later one.
            Some(Ordering::Equal | Ordering::Greater) => Self::Newer,
        }
    }
}

/// Why no backend gets `name`, if so.
pub(crate) fn unavailable(name: &str) -> Option<Unavailable> {
    let (interface, version) = split(name);
    let package = interface.split_once('/').map_or(interface, |(package, _)| package);
    let linked = |list: &[&str], ours| list.contains(&interface) && compatible(version, ours);
    match package {
        _ if linked(WASI, WASI_VERSION) || linked(OWN, CONTRACT) => None,
        "wasi:sockets" => Some(Unavailable::Sockets),
        "wasi:http" => Some(Unavailable::Http),
        "artifacts:backend" => Some(Unavailable::Contract(Other::than(CONTRACT, version))),
        package if !package.starts_with("wasi:") => Some(Unavailable::Unknown),
        _ if compatible(version, WASI_VERSION) => Some(Unavailable::Service),
        _ => Some(Unavailable::Wasi(Other::than(WASI_VERSION, version))),
    }
}

/// What an allowed interface reaches.
fn reached(interface: &str) -> &'static str {
    match interface.split_once('/') {
        Some(("wasi:cli", _)) => "an empty command line and environment, captured output",
        Some(("wasi:clocks", _)) => "the time",
        Some(("wasi:filesystem", _)) => "the one directory /entry",
        Some(("wasi:io", _)) => "streams of what it has open",
        Some(("wasi:random", _)) => "random numbers",
        Some((_, "age")) => "age encryption, done by the host",
        Some((_, "entries")) => "the entry",
        Some((_, "log")) => "messages to the person",
        Some((_, "secrets")) => "handles of secrets",
        _ => "the contract's types",
    }
}

/// Name and version of `package/interface@version`.
pub(crate) fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((interface, version)) => (interface, Some(version)),
        None => (name, None),
    }
}

/// The part of a version within which interfaces only grow.
pub(crate) fn series(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(series, _)| series)
}

/// Whether `version` is one of the series of `ours`.
fn compatible(version: Option<&str>, ours: &str) -> bool {
    version
        .and_then(|version| version.strip_prefix(series(ours))?.strip_prefix('.'))
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The numbers of a version, as far as there are any. What comes after a hyphen came before the version itself.
fn order(version: &str) -> (Vec<u64>, bool) {
    let (numbers, released) = version.split_once('-').map_or((version, true), |(numbers, _)| (numbers, false));
    (numbers.split('.').map_while(|number| number.parse().ok()).collect(), released)
}

/// Whether an export is `interface` in a version that this host calls.
pub(crate) fn exports(name: &str, interface: &str) -> bool {
    let (found, version) = split(name);
    found == interface && compatible(version, CONTRACT)
}

/// How the contract of a backend compares with this host's, when it exports [`STORAGE`] in another version.
pub(crate) fn other_storage(exports: &[String]) -> Option<Other> {
    let version = exports.iter().map(|name| split(name)).find(|(interface, _)| *interface == STORAGE)?.1;
    Some(Other::than(CONTRACT, version))
}
