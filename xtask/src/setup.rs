//! What the tasks need of the machine: found, installed where that is possible, named exactly where it is not.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{apt, project, run, wasm};

/// A program that must be there.
struct Tool {
    program: &'static str,
    /// Debian's package.
    package: &'static str,
    what_for: &'static str,
    /// How everyone else gets it.
    elsewhere: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool {
        program: "nix",
        package: "nix-bin",
        what_for: "evaluates the declarations",
        elsewhere: "https://nixos.org/download",
    },
    Tool {
        program: "bwrap",
        package: "bubblewrap",
        what_for: "the sandbox of generators",
        elsewhere: "nix profile install nixpkgs#bubblewrap",
    },
    Tool {
        program: "age",
        package: "age",
        what_for: "decrypts what was made, for comparison",
        elsewhere: "nix profile install nixpkgs#age",
    },
    Tool {
        program: "git",
        package: "git",
        what_for: "a flake is a git checkout",
        elsewhere: "nix profile install nixpkgs#git",
    },
    Tool {
        program: "openssl",
        package: "openssl",
        what_for: "a generator of the demo uses it",
        elsewhere: "nix profile install nixpkgs#openssl",
    },
    Tool {
        program: "ssh-keygen",
        package: "openssh-client",
        what_for: "makes the keys of test machines",
        elsewhere: "nix profile install nixpkgs#openssh",
    },
    Tool {
        program: "wg",
        package: "wireguard-tools",
        what_for: "a generator of an example uses it",
        elsewhere: "nix profile install nixpkgs#wireguard-tools",
    },
    Tool {
        program: "systemd-analyze",
        package: "systemd",
        what_for: "runs the units of artifacts, in namespaces and a root of its own",
        elsewhere: "a Linux that boots with systemd",
    },
    Tool {
        program: "nsenter",
        package: "util-linux",
        what_for: "makes and enters those namespaces",
        elsewhere: "nix profile install nixpkgs#util-linux",
    },
    Tool {
        program: "strace",
        package: "strace",
        what_for: "shows what a worker opens",
        elsewhere: "nix profile install nixpkgs#strace",
    },
    Tool {
        program: "valgrind",
        package: "valgrind",
        what_for: "counts the instructions of planning",
        elsewhere: "nix profile install nixpkgs#valgrind",
    },
    Tool {
        program: "pgrep",
        package: "procps",
        what_for: "finds the processes that a test ends",
        elsewhere: "nix profile install nixpkgs#procps",
    },
    Tool {
        program: "gpg",
        package: "gnupg",
        what_for: "encrypts what is taken over from another tool",
        elsewhere: "nix profile install nixpkgs#gnupg",
    },
    Tool {
        program: "swtpm",
        package: "swtpm",
        what_for: "is a TPM for the age plugin that uses one",
        elsewhere: "nix profile install nixpkgs#swtpm",
    },
    Tool {
        program: "zsh",
        package: "zsh",
        what_for: "completes names, as bash and fish do",
        elsewhere: "nix profile install nixpkgs#zsh",
    },
    Tool {
        program: "fish",
        package: "fish",
        what_for: "completes names, as bash and zsh do",
        elsewhere: "nix profile install nixpkgs#fish",
    },
    Tool {
        program: "perl",
        package: "perl",
        what_for: "a generator of the tests is written in it",
        elsewhere: "nix profile install nixpkgs#perl",
    },
];

/// What the setup found.
pub struct Ready {
    /// The compiler that has the guests' target.
    pub wasm: wasm::Toolchain,
}

/// Makes sure of everything, and says so.
///
/// # Errors
/// As [`ready`].
pub fn run() -> Result<()> {
    let ready = ready()?;
    println!("programs: {}", TOOLS.iter().map(|tool| tool.program).collect::<Vec<_>>().join(", "));
    println!("compiler for {}: {}", wasm::TARGET, ready.wasm.rustc.display());
    Ok(())
}

/// Makes sure of everything: programs, the guests' target, nixpkgs' `lib`.
///
/// # Errors
/// With a list of what is missing and how one gets it.
pub fn ready() -> Result<Ready> {
    programs()?;
    nixpkgs_lib()?;
    Ok(Ready { wasm: wasm::toolchain()? })
}

fn programs() -> Result<()> {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| run::find(tool.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !apt::may_install() {
        bail!("{}", wanted(&missing, apt::is_here()));
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    println!("Missing: {}.", missing.iter().map(|tool| tool.program).collect::<Vec<_>>().join(", "));
    println!("Installing with apt-get: {}", packages.join(" "));
    apt::install(&packages)?;
    let missing: Vec<&Tool> = missing.into_iter().filter(|tool| run::find(tool.program).is_none()).collect();
    if missing.is_empty() { Ok(()) } else { bail!("{}", wanted(&missing, apt::is_here())) }
}

/// The list for a person who has to get things.
fn wanted(missing: &[&Tool], debian: bool) -> String {
    let mut text = "these programs are missing:\n".to_owned();
    for tool in missing {
        let how = if debian { format!("apt-get install {}", tool.package) } else { tool.elsewhere.to_owned() };
        let _ = writeln!(text, "  {:<12} {:<40} {how}", tool.program, tool.what_for);
    }
    text
}

/// nixpkgs' real `lib`, for the tests and the demo: a download by cargo, never compiled. `NIXPKGS_LIB` names another.
fn nixpkgs_lib() -> Result<()> {
    if std::env::var_os("NIXPKGS_LIB").is_some() {
        return Ok(());
    }
    let manifest: PathBuf = project::root().join("tests/fixtures/nix/lib-source/Cargo.toml");
    if !manifest.exists() {
        return Ok(());
    }
    let mut fetch = run::cargo();
    fetch.args(["fetch", "--quiet", "--locked", "--manifest-path"]).arg(&manifest);
    run::done(&mut fetch)
        .map_err(|error| error.context("nixpkgs' lib cannot be fetched; NIXPKGS_LIB may name a checkout's"))
}

#[cfg(test)]
mod tests {
    use super::{TOOLS, wanted};

    #[test]
    fn what_is_missing_is_named_with_the_way_to_get_it() {
        let missing: Vec<_> = TOOLS.iter().filter(|tool| ["bwrap", "nix"].contains(&tool.program)).collect();
        let debian = wanted(&missing, true);
        assert!(debian.contains("bwrap") && debian.contains("apt-get install bubblewrap"), "{debian}");
        let other = wanted(&missing, false);
        assert!(other.contains("https://nixos.org/download") && other.contains("nixpkgs#bubblewrap"), "{other}");
        assert!(!other.contains("openssl"), "{other}");
    }
}
