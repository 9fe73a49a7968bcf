//! Which interfaces a backend may import, and what each one means to a person.

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

/// What an import of the contract in another version means.
pub(crate) const OTHER_CONTRACT: &str = "another version of the contract with backends (this host has 0.2)";

/// Returns the interfaces that a backend may import, without their versions.
pub fn allowed_imports() -> impl Iterator<Item = &'static str> {
    WASI.iter().chain(OWN).copied()
}

/// Describes what an import means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// In words that complete "it would reach …".
    pub words: &'static str,
    /// Whether backends may have it.
    pub allowed: bool,
}

/// Returns what importing `name` (with or without a version) means.
pub fn meaning(name: &str) -> Meaning {
    let (interface, version) = split(name);
    let known = WASI.contains(&interface) && compatible(version, "0.2.")
        || OWN.contains(&interface) && compatible(version, "0.2.");
    Meaning { words: words(interface, known), allowed: known }
}

fn words(interface: &str, known: bool) -> &'static str {
    let package = interface.split_once('/').map_or(interface, |(package, _)| package);
    match (package, known) {
        ("wasi:cli", true) => "an empty command line and environment, and output that is captured",
        ("wasi:clocks", true) => "the time",
        ("wasi:filesystem", true) => "the one directory /entry",
        ("wasi:io", true) => "streams of what it has open",
        ("wasi:random", true) => "random numbers",
        ("artifacts:backend", true) => match interface {
            "artifacts:backend/age" => "age encryption, done by the host",
            "artifacts:backend/entries" => "the entry",
            "artifacts:backend/log" => "messages to the person",
            "artifacts:backend/secrets" => "handles of secrets",
            _ => "the contract's types",
        },
        ("wasi:sockets", _) => "the network",
        ("wasi:http", _) => "the network, by HTTP",
        ("wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random", _) => {
            "an interface of another version of WASI (this host has 0.2)"
        }
        ("artifacts:backend", _) => OTHER_CONTRACT,
        (package, _) if package.starts_with("wasi:") => "a service of the host that no backend gets",
        _ => "something that this host does not have",
    }
}

/// Name and version of `package/interface@version`.
pub(crate) fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((interface, version)) => (interface, Some(version)),
        None => (name, None),
    }
}

fn compatible(version: Option<&str>, prefix: &str) -> bool {
    version
        .and_then(|version| version.strip_prefix(prefix))
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether an export is `interface` in a version that this host calls.
pub(crate) fn exports(name: &str, interface: &str) -> bool {
    let (found, version) = split(name);
    found == interface && compatible(version, "0.2.")
}
