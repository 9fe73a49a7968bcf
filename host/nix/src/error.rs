use std::path::PathBuf;

use artifacts_declared::Name;
use artifacts_text::{Explain, pathspec, shell_word};

/// Reports why there is no usable answer of Nix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no Nix.
    #[error("`{program}` not found{}", searched(.path.as_deref()))]
    Missing {
        /// Program that was searched for.
        program: String,
        /// The `PATH` that was searched, if any.
        path: Option<String>,
    },
    /// The program exists and cannot be started.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// Path of the program.
        program: String,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The output cannot be read.
    #[error("cannot read the output of `{program}`: {source}")]
    Read {
        /// Path of the program.
        program: String,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// Nix failed.
    #[error("{what}: {message}")]
    Failed {
        /// What it was asked to do.
        what: String,
        /// Its message, trimmed.
        message: String,
        /// Source of the flake, if that was evaluated.
        flake: Option<FlakeSource>,
    },
    /// Nix succeeded with an answer that is incomplete or of another shape.
    #[error("{what}: unexpected output from Nix ({bytes} bytes): {source}")]
    Output {
        /// What it was asked to do.
        what: String,
        /// Length of the answer, in bytes.
        bytes: usize,
        /// Error of the JSON parser.
        source: serde_json::Error,
    },
    /// The value of a target is not a spec.
    #[error("{target}: {source}")]
    Spec {
        /// Target, as an attribute of the flake.
        target: String,
        /// Error of the spec.
        source: artifacts_declared::Error,
    },
    /// `artifacts.target` differs from the attribute in the flake.
    #[error("{target}: `artifacts.target` is `{named}`, which is not its name in the flake")]
    NameMismatch {
        /// Target, as an attribute of the flake.
        target: String,
        /// Name in the flake.
        name: String,
        /// Value of `artifacts.target`.
        named: String,
    },
    /// The run was canceled.
    #[error("Nix was stopped")]
    Cancelled,
    /// There is no directory where a flake should be.
    #[error("cannot read the flake `{reference}`: no such directory")]
    NoDirectory {
        /// Flake reference as passed.
        reference: String,
    },
    /// The flake exports no configuration.
    #[error("the flake `{reference}` has no nixosConfigurations, homeConfigurations or darwinConfigurations")]
    NoTargets {
        /// Flake reference as passed.
        reference: String,
    },
    /// No configuration imports the modules.
    #[error("no configuration of flake `{reference}` imports the artifacts module: {}", .targets.join(", "))]
    NoArtifacts {
        /// Flake reference as passed.
        reference: String,
        /// Targets that were evaluated.
        targets: Vec<String>,
    },
    /// Two targets have the same kind and name.
    #[error("two {kind} targets are named `{name}`: {first} and {second}")]
    Twice {
        /// Kind of the targets.
        kind: &'static str,
        /// Name of the targets.
        name: Name,
        /// Place of the one.
        first: String,
        /// Place of the other.
        second: String,
        /// Option that gives one of them another name, where there is one.
        remedy: Option<String>,
    },
    /// Two targets set an option of the whole flake to different values.
    #[error("{first} and {second} disagree on {option}: {first} has {}, {second} has {}", said(.first_value.as_deref()), said(.second_value.as_deref()))]
    Disagree {
        /// Option.
        option: String,
        /// One target.
        first: String,
        /// Its value.
        first_value: Option<String>,
        /// Another target.
        second: String,
        /// Its value.
        second_value: Option<String>,
    },
    /// The flake is not in a local directory.
    #[error("flake `{reference}` is read-only: it is not a local directory, or it is pinned to a revision")]
    ReadOnly {
        /// Flake reference as passed.
        reference: String,
    },
    /// A path is not an absolute path in the store.
    #[error("expected an absolute path in the Nix store, found `{}`", .path.display())]
    Relative {
        /// Path as given.
        path: PathBuf,
    },
    /// `artifacts.root` is in another flake.
    #[error("`artifacts.root` ({}) is in an input of the flake `{reference}`, so artifacts cannot determine where to write", .root.display())]
    Elsewhere {
        /// Flake reference as passed.
        reference: String,
        /// Path of the root in the store.
        root: PathBuf,
    },
    /// `artifacts.root` is outside of the checkout.
    #[error("`artifacts.root` ({}) is outside the checkout {}", .root.display(), .checkout.display())]
    Outside {
        /// Root as evaluated.
        root: PathBuf,
        /// Checkout of the flake.
        checkout: PathBuf,
    },
}

/// Holds how Nix's messages name the source of a flake.
#[derive(Debug, Clone)]
pub struct FlakeSource {
    /// Its copy in the store.
    pub copy: PathBuf,
    /// Its locked reference, which versions from 2.34 on write between `«` and `»`.
    pub url: String,
}

impl FlakeSource {
    /// Returns what follows the source in a line of a message.
    fn below<'a>(&self, line: &'a str) -> Option<&'a str> {
        if let Some((_, below)) = line.split_once(&format!("{}/", self.copy.display())) {
            return Some(below);
        }
        // The query may be written otherwise.
        let address = self.url.split('?').next().unwrap_or_default();
        let (_, named) = line.split_once('«')?;
        let (url, below) = named.split_once("»/")?;
        (url.split('?').next() == Some(address)).then_some(below)
    }
}

/// Finds the file of the checkout that Nix does not find in its copy, or does not copy; relative to the top of the
/// repository.
fn missing_file<'a>(message: &'a str, flake: Option<&FlakeSource>) -> Option<&'a str> {
    let line = message.lines().find(|line| {
        ["No such file or directory", "does not exist", "not tracked by Git"].iter().any(|words| line.contains(words))
    })?;
    let below = match flake {
        Some(flake) => flake.below(line),
        None => line.split_once("-source/").map(|(_, below)| below),
    };
    let below = below.or_else(|| line.split_once("Path '").map(|(_, path)| path))?;
    let file = below.split(['\'', '"']).next().unwrap_or_default();
    (!file.is_empty()).then_some(file)
}

fn add_to_git(file: &str) -> String {
    // From the top of the repository, and this file alone.
    let magic = if pathspec(file) == file { ":/" } else { ":(top,literal)" };
    let place = shell_word(&format!("{magic}{file}"));
    format!("Nix ignores files that git does not track; if `{file}` exists, run `git add -- {place}`")
}

fn is_out_of_memory(message: &str) -> bool {
    ["Cannot allocate memory", "cannot allocate memory", "Out of memory", "out of memory", "std::bad_alloc"]
        .iter()
        .any(|words| message.contains(words))
        || message.starts_with("Nix was killed (signal: 9")
}

/// Returns whether a program that Nix ran, its daemon or the operating system failed, judged by Nix's wording.
fn is_of_the_machine(message: &str) -> bool {
    let first = message.lines().next().unwrap_or_default();
    let starts = ["program '", "executing '", "Nix was killed", "Git repository \"", "resolving Git reference '"];
    starts.iter().any(|words| first.starts_with(words))
        || [
            "unable to download",
            "unable to start",
            "cannot connect to socket",
            "cannot open connection to remote store",
            "Nix daemon disconnected",
            "Failed to fetch git repository",
            "getting exclusive lock",
            "Permission denied",
            "Too many open files",
            "Read-only file system",
            "creating directory",
            "unable to fork",
        ]
        .iter()
        .any(|words| first.contains(words))
}

fn searched(path: Option<&str>) -> String {
    path.map_or_else(String::new, |path| format!(" in PATH ({path})"))
}

fn said(value: Option<&str>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"))
}

/// Returns whether Nix found no flake where it looked for one.
fn is_no_flake(message: &str) -> bool {
    let says = ["is not part of a flake", "could not find a flake.nix file", "not a flake"];
    says.iter().any(|text| message.contains(text))
}

impl Error {
    /// Returns whether Nix could not be asked at all, so that there is no point in asking again.
    pub(crate) fn is_of_nix(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Missing { .. } | Self::Start { .. })
    }

    /// Returns whether another process of Nix was making a new store at the same moment. Once it is made, none does.
    pub(crate) fn is_of_new_store(&self) -> bool {
        let first = if let Self::Failed { message, .. } = self { message.lines().next() } else { None };
        first.is_some_and(|first| {
            first.contains("creating ") && first.contains("File exists")
                || first.contains("SQLite database '") && first.ends_with("is busy")
        })
    }

    /// Adds the flake's source.
    pub(crate) fn in_source(self, flake: FlakeSource) -> Self {
        match self {
            Self::Failed { what, message, .. } => Self::Failed { what, message, flake: Some(flake) },
            other => other,
        }
    }

    /// Adds the length of the answer, in bytes.
    pub(crate) fn of_size(self, bytes: usize) -> Self {
        match self {
            Self::Output { what, source, .. } => Self::Output { what, bytes, source },
            other => other,
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        "nix"
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => {
                "install Nix (https://nixos.org/download; on Debian and Ubuntu: apt install nix-bin), or pass --spec FILE, which needs none for evaluation"
            }
            Self::Failed { message, .. } if message.contains("' is not a valid URL") => {
                "this Nix version does not support spaces in the path of a checkout; move it, or use a newer Nix"
            }
            Self::Failed { message, flake, .. } if missing_file(message, flake.as_ref()).is_some() => {
                return missing_file(message, flake.as_ref()).map(add_to_git);
            }
            Self::NoDirectory { .. } => "pass `--flake DIR`, a directory with a flake.nix",
            Self::Failed { message, .. } if is_no_flake(message) => "pass `--flake DIR`, a directory with a flake.nix",
            Self::Failed { message, .. } if message.contains("resolve host") => {
                "no network to fetch an input; use a local copy: `--override-input NAME path:DIR`"
            }
            Self::NameMismatch { name, named, .. } => {
                return Some(format!(
                    "set artifacts.target = \"{name}\"; the stored values of `{named}` are kept: to move them, `get` each file \
                     while the flake's name is `{named}`, and `set` it under the new one"
                ));
            }
            Self::Failed { message, .. } if message.contains("transport 'file' not allowed") => {
                "git takes no submodule from a local path unless that is allowed: `git config --global protocol.file.allow always`"
            }
            Self::Failed { message, .. } if is_out_of_memory(message) => {
                "the machine ran out of memory: evaluate fewer targets at once with `--eval-jobs 1`, or free some memory"
            }
            Self::Failed { message, .. } if message.contains("No space left on device") => {
                "free some space where Nix writes: its store, and the directory of temporary files"
            }
            // Nothing that a declaration could be blamed for; its own words are above.
            Self::Failed { message, .. } if is_of_the_machine(message) => return None,
            Self::Failed { .. } | Self::Spec { .. } => {
                "fix the configuration; `--nix-arg --show-trace` shows where the error comes from"
            }
            Self::Output { .. } => {
                "run the command again; if the error persists, report it with the output of `nix --version`"
            }
            Self::NoTargets { .. } => "pass `--flake DIR` with the flake that exports your machines or users",
            Self::NoArtifacts { .. } => {
                "import artifacts.nixosModules.default (machines) or artifacts.homeModules.default (users) in them"
            }
            Self::Twice { remedy, .. } => remedy.as_deref().unwrap_or("rename one of them, or export it once only"),
            Self::Disagree { option, .. } if option == "artifacts.root" => {
                "set it in a module that all targets import; if it is, the checkout changed during this run: run the command again"
            }
            Self::Disagree { .. } => "set it in a module that all targets import",
            Self::ReadOnly { .. } => "run in a checkout of the flake, or pass `--root DIR`",
            Self::Elsewhere { .. } => "pass `--root DIR` with the checkout of that input",
            Self::Relative { .. } => "fix the spec: generators and components in the store have absolute paths",
            Self::Outside { .. } => {
                "set `artifacts.root = ./.;`; if you want that other directory, pass it with `--root DIR`"
            }
            Self::Start { .. } | Self::Read { .. } | Self::Cancelled => return None,
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use artifacts_text::Explain as _;

    use super::{Error, FlakeSource};

    #[test]
    fn the_configuration_is_blamed_for_nothing_that_is_not_its_own() {
        let hint = |message: &str| {
            Error::Failed { what: String::new(), message: message.to_owned(), flake: None }.hint().unwrap_or_default()
        };
        for message in [
            "program 'git' failed with exit code 128\n| fatal: unable to access 'https://x/': Failed to connect",
            "unable to download 'https://x/': HTTP error 500",
            "cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused",
            "opening file '/nix/store/x': Permission denied",
            "Nix was killed (signal: 15 (SIGTERM)): failed without an error message",
            "resolving Git reference 'main': revspec 'main' not found\n| fatal: '/x' does not appear to be a git repository",
            "Git repository \"/x\" does not exist.",
        ] {
            assert_eq!(hint(message), "", "{message}");
        }
        for (message, word) in [
            ("program 'git' failed with exit code 1\n| fatal: transport 'file' not allowed", "protocol.file.allow"),
            ("Nix was killed (signal: 9 (SIGKILL)): failed without an error message", "--eval-jobs 1"),
            ("unable to fork: Cannot allocate memory", "--eval-jobs 1"),
            ("writing to file: No space left on device", "free some space"),
            ("program 'git' failed with exit code 128\n| fatal: Could not resolve host: x", "--override-input"),
            ("attribute 'a' missing", "fix the configuration"),
            ("The option `a' does not exist. Definition values:\n| - In `x': 1", "fix the configuration"),
        ] {
            assert!(hint(message).contains(word), "{message}: {}", hint(message));
        }
    }

    #[test]
    fn a_file_that_git_does_not_know_is_named_as_each_nix_says_it() {
        let failed = |message: &str| {
            let failed = Error::Failed { what: String::new(), message: message.to_owned(), flake: None };
            let url = "git+file:///r?ref=refs/heads/main&rev=0123".to_owned();
            failed.in_source(FlakeSource { copy: "/nix/store/abc-source".into(), url })
        };
        let hint = |message: &str| failed(message).hint().unwrap_or_default();
        for (message, command) in [
            (
                "getting status of '/nix/store/abc-source/m/new.nix': No such file or directory",
                "`git add -- ':/m/new.nix'`",
            ),
            (
                "getting status of '/nix/store/abc-source/m/[x].nix': No such file or directory",
                "`git add -- ':(top,literal)m/[x].nix'`",
            ),
            ("path '/nix/store/abc-source/a b.nix' does not exist", "`git add -- ':/a b.nix'`"),
            (
                "path '«git+file:///r?ref=refs/heads/main&rev=0123»/m/new.nix' does not exist",
                "`git add -- ':/m/new.nix'`",
            ),
            (
                "Path 'new.nix' in the repository \"/r\" is not tracked by Git.\n\nTo make it visible to Nix, run:",
                "`git add -- ':/new.nix'`",
            ),
        ] {
            assert!(hint(message).contains(command), "{message}: {}", hint(message));
        }
        // Another source is an input, which is in no checkout of the person's.
        assert!(
            !hint("getting status of '/nix/store/def-source/m/new.nix': No such file or directory").contains("git add")
        );
        assert!(!hint("file 'nixpkgs/x' was not found in the Nix search path").contains("git add"));
        // What another input lacks is no matter of this checkout.
        assert!(!hint("path '/nix/store/other-source/nixos/x.nix' does not exist").contains("git add"));
        assert!(!hint("path '«git+file:///other?rev=0123»/nixos/x.nix' does not exist").contains("git add"));
        assert!(!hint("attribute 'a' missing\nthe option does not exist").contains("git add"));
    }
}
