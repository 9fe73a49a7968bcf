use std::path::{Path, PathBuf};

use artifacts_declared::Name;
use artifacts_text::{Explain, shell_word};

/// Why Nix gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no Nix.
    #[error("Nix is needed, and there is no `{program}`{}", searched(.path.as_deref()))]
    Missing {
        /// What was looked for.
        program: String,
        /// The `PATH` that was searched, if it was looked for in one.
        path: Option<String>,
    },
    /// It is there and could not be started.
    #[error("`{program}` could not be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its output could not be read.
    #[error("the answer of `{program}` could not be read: {source}")]
    Read {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It failed.
    #[error("{what}: {message}")]
    Failed {
        /// What was asked of it.
        what: String,
        /// What it said, trimmed.
        message: String,
        /// The flake's copy in the store, where that was evaluated.
        copy: Option<PathBuf>,
    },
    /// It ended well with an answer that is not whole, or of another shape.
    #[error("{what}: Nix ended well, but its answer ({bytes} bytes) is not the JSON that was expected: {source}")]
    Output {
        /// What was asked of it.
        what: String,
        /// How long the answer is.
        bytes: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// What a target evaluates to is no spec.
    #[error("{target}: {source}")]
    Spec {
        /// The target, as an attribute of the flake.
        target: String,
        /// What is wrong with it.
        source: artifacts_declared::Error,
    },
    /// A target looks for its files under another name than the flake's.
    #[error("{target} takes itself for `{named}`, so it would look for its files elsewhere")]
    NameMismatch {
        /// The target, as an attribute of the flake.
        target: String,
        /// What the flake calls it.
        name: String,
        /// What it calls itself.
        named: String,
    },
    /// The caller asked to stop.
    #[error("Nix was stopped")]
    Cancelled,
    /// The flake exports no configuration.
    #[error("the flake `{reference}` has no nixosConfigurations, homeConfigurations or darwinConfigurations")]
    NoTargets {
        /// The flake, as the caller named it.
        reference: String,
    },
    /// No configuration imports the modules.
    #[error("no configuration of the flake `{reference}` declares artifacts: none of {} imports the module", .targets.join(", "))]
    NoArtifacts {
        /// The flake, as the caller named it.
        reference: String,
        /// What was evaluated.
        targets: Vec<String>,
    },
    /// Two targets of one kind and name.
    #[error("two {kind} targets are named `{name}`: {first} and {second}")]
    Twice {
        /// Their kind.
        kind: &'static str,
        /// Their name.
        name: Name,
        /// The attribute where one is.
        first: String,
        /// The attribute where the other is.
        second: String,
    },
    /// Two targets say different things of what there is once for the whole flake.
    #[error("{first} and {second} disagree on {option}: {first} has {}, {second} has {}", said(.first_value.as_deref()), said(.second_value.as_deref()))]
    Disagree {
        /// The option.
        option: String,
        /// A target.
        first: String,
        /// What it says.
        first_value: Option<String>,
        /// Another one.
        second: String,
        /// What that one says.
        second_value: Option<String>,
    },
    /// The flake is not in a local folder.
    #[error(
        "the flake `{reference}` is read-only: it is no local folder of this machine, or is taken at a fixed revision"
    )]
    ReadOnly {
        /// The flake, as the caller named it.
        reference: String,
    },
    /// What is asked of the store is no place in it.
    #[error("expected an absolute path in the Nix store, found `{}`", .path.display())]
    Relative {
        /// What was named.
        path: PathBuf,
    },
    /// `artifacts.root` is in another flake.
    #[error("artifacts.root is `{}`, which is not in the flake `{reference}` but in one of its inputs, so the folder to write to is unknown", .root.display())]
    Elsewhere {
        /// The flake, as the caller named it.
        reference: String,
        /// The root in the store.
        root: PathBuf,
    },
    /// `artifacts.root` leads out of the checkout.
    #[error("artifacts.root is `{}`, which is no folder inside the checkout {}; a flake does not choose where else secrets are written", .root.display(), .checkout.display())]
    Outside {
        /// The root, as evaluated.
        root: PathBuf,
        /// The flake's checkout.
        checkout: PathBuf,
    },
}

/// The file of the checkout that Nix does not find in its copy of it, or does not take from it; from the repository's top.
fn missing_file<'a>(message: &'a str, copy: Option<&Path>) -> Option<&'a str> {
    let line = message.lines().find(|line| {
        ["No such file or directory", "does not exist", "not tracked by Git"].iter().any(|words| line.contains(words))
    })?;
    let copy = copy.map_or_else(|| "-source/".to_owned(), |copy| format!("{}/", copy.display()));
    let after = match line.split_once(&copy) {
        Some((_, after)) => after,
        None => line.split_once("Path '")?.1,
    };
    let file = after.split(['\'', '"']).next().unwrap_or_default();
    (!file.is_empty()).then_some(file)
}

fn is_out_of_memory(message: &str) -> bool {
    ["Cannot allocate memory", "cannot allocate memory", "Out of memory", "out of memory", "std::bad_alloc"]
        .iter()
        .any(|words| message.contains(words))
        || message.starts_with("Nix was killed (signal: 9")
}

/// Whether it is a failure of a program that Nix ran, of its daemon or of the system, by the way Nix says these.
fn is_of_the_machine(message: &str) -> bool {
    let first = message.lines().next().unwrap_or_default();
    let ran = first.starts_with("program '") || first.starts_with("executing '") || first.starts_with("Nix was killed");
    ran || [
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

/// Whether Nix found no flake where it looked for one.
fn is_no_flake(message: &str) -> bool {
    let says = ["is not part of a flake", "could not find a flake.nix file", "not a flake"];
    says.iter().any(|text| message.contains(text))
}

impl Error {
    /// Whether Nix could not be asked at all, so that asking again is no use.
    pub(crate) fn is_of_nix(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Missing { .. } | Self::Start { .. })
    }

    /// The same, of a flake whose copy in the store is this.
    pub(crate) fn of(self, source: &Path) -> Self {
        match self {
            Self::Failed { what, message, .. } => Self::Failed { what, message, copy: Some(source.to_owned()) },
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
                "this version of Nix takes no blank in the path of a git checkout: move it, or use a newer Nix"
            }
            Self::Failed { message, copy, .. } if missing_file(message, copy.as_deref()).is_some() => {
                let file = missing_file(message, copy.as_deref()).unwrap_or_default();
                return Some(format!(
                    "of a git checkout, a flake sees only what git knows: if `{file}` is there, `git add -- {}`",
                    shell_word(&format!(":/{file}"))
                ));
            }
            Self::Failed { message, .. } if is_no_flake(message) => "pass `--flake DIR`, a directory with a flake.nix",
            Self::Failed { message, .. } if message.contains("resolve host") => {
                "there is no network to fetch an input by; `--override-input NAME path:DIR` takes it from a folder"
            }
            Self::NameMismatch { name, named, .. } => {
                return Some(format!(
                    "set in it: artifacts.target = \"{name}\"; what is stored for `{named}` stays there and is kept: to take its values \
                     along, `get` each file while the flake's name is `{named}`, and `set` it under the new one"
                ));
            }
            Self::Failed { message, .. } if message.contains("transport 'file' not allowed") => {
                "git takes no submodule from a local path unless that is allowed: `git config --global protocol.file.allow always`"
            }
            Self::Failed { message, .. } if is_out_of_memory(message) => {
                "the machine ran out of memory: evaluate fewer targets at once with `--eval-jobs 1`, or free some memory"
            }
            Self::Failed { message, .. } if message.contains("No space left on device") => {
                "free some space where Nix writes: its store, and the folder of temporary files"
            }
            // Nothing that a declaration could be blamed for; its own words are above.
            Self::Failed { message, .. } if is_of_the_machine(message) => return None,
            Self::Failed { .. } | Self::Spec { .. } => {
                "correct the configuration; `--nix-arg --show-trace` tells where it comes from"
            }
            Self::Output { .. } => "run it again; if it persists, this Nix does not give what it is asked for",
            Self::NoTargets { .. } => "pass --flake with the flake that exports your machines or users",
            Self::NoArtifacts { .. } => {
                "import artifacts.nixosModules.default (machines) or artifacts.homeModules.default (users) in them"
            }
            Self::Twice { .. } => "rename one of them, or export it once only",
            Self::Disagree { option, .. } if option == "artifacts.root" => {
                "set it in one module that all targets import; if it is, the checkout was changed meanwhile: run it again"
            }
            Self::Disagree { .. } => "set it in one module that all targets import",
            Self::ReadOnly { .. } => "work in a checkout of it, or name one with --root DIR",
            Self::Elsewhere { .. } => "name the checkout of that input with --root DIR",
            Self::Relative { .. } => "correct the spec: generators and components in the store have absolute paths",
            Self::Outside { .. } => {
                "set `artifacts.root = ./.;`; if that other folder is what you want, name it with --root DIR"
            }
            Self::Start { .. } | Self::Read { .. } | Self::Cancelled => return None,
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use artifacts_text::Explain as _;

    use super::Error;

    #[test]
    fn the_configuration_is_blamed_for_nothing_that_is_not_its_own() {
        let hint = |message: &str| {
            Error::Failed { what: String::new(), message: message.to_owned(), copy: None }.hint().unwrap_or_default()
        };
        for message in [
            "program 'git' failed with exit code 128\n| fatal: unable to access 'https://x/': Failed to connect",
            "unable to download 'https://x/': HTTP error 500",
            "cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused",
            "opening file '/nix/store/x': Permission denied",
            "Nix was killed (signal: 15 (SIGTERM)): it failed without a word",
        ] {
            assert_eq!(hint(message), "", "{message}");
        }
        for (message, word) in [
            ("program 'git' failed with exit code 1\n| fatal: transport 'file' not allowed", "protocol.file.allow"),
            ("Nix was killed (signal: 9 (SIGKILL)): it failed without a word", "--eval-jobs 1"),
            ("unable to fork: Cannot allocate memory", "--eval-jobs 1"),
            ("writing to file: No space left on device", "free some space"),
            ("program 'git' failed with exit code 128\n| fatal: Could not resolve host: x", "--override-input"),
            ("attribute 'a' missing", "correct the configuration"),
            ("The option `a' does not exist. Definition values:\n| - In `x': 1", "correct the configuration"),
        ] {
            assert!(hint(message).contains(word), "{message}: {}", hint(message));
        }
    }

    #[test]
    fn a_file_that_git_does_not_know_is_named_as_each_nix_says_it() {
        let failed = |message: &str| {
            let failed = Error::Failed { what: String::new(), message: message.to_owned(), copy: None };
            failed.of("/nix/store/abc-source".as_ref())
        };
        let hint = |message: &str| failed(message).hint().unwrap_or_default();
        for (message, command) in [
            (
                "getting status of '/nix/store/abc-source/m/new.nix': No such file or directory",
                "`git add -- ':/m/new.nix'`",
            ),
            ("path '/nix/store/abc-source/a b.nix' does not exist", "`git add -- ':/a b.nix'`"),
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
        assert!(!hint("attribute 'a' missing\nthe option does not exist").contains("git add"));
    }
}
