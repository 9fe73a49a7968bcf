//! `artifacts-target`: are an artifact's files complete, and what to do when that changes.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use artifacts_on_target::accounts::Accounts;
use artifacts_on_target::again::deploy_again;
use artifacts_on_target::check::check;
use artifacts_on_target::manifest::{self, TargetManifest};
use artifacts_on_target::place::DeployDir;
use artifacts_on_target::watch::{self, WatchOptions};
use artifacts_text::Explain;
use clap::{Parser, Subcommand};

/// Are an artifact's files complete, and what to do when that changes.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Says whether an artifact is complete; names file and cause when it is not.
    Check {
        /// Where it is not, have its files deployed once more, unless at a boot or during a switch.
        #[arg(long)]
        deploy: bool,
        /// Talk to the user's manager.
        #[arg(long)]
        user: bool,
        /// The artifact.
        name: String,
        /// The manifest.
        #[arg(default_value = manifest::DEFAULT)]
        manifest: PathBuf,
    },
    /// Removes what was made here and is no longer declared.
    Clean {
        /// The manifest.
        #[arg(default_value = manifest::DEFAULT)]
        manifest: PathBuf,
        /// The directory in RAM with the files' bytes.
        #[arg(long, default_value = "/run/artifacts.d")]
        bytes: PathBuf,
        /// The directory of links to them.
        #[arg(long, default_value = "/run/artifacts")]
        links: PathBuf,
    },
    /// Follows the artifacts' files and tells systemd when something changes.
    Watch {
        /// The manifest.
        #[arg(default_value = manifest::DEFAULT)]
        manifest: PathBuf,
        /// A directory in RAM of the watcher's own.
        #[arg(long, env = "RUNTIME_DIRECTORY")]
        state: PathBuf,
        /// Talk to the user's manager.
        #[arg(long)]
        user: bool,
        /// Seconds that a loss must last before a unit is stopped.
        #[arg(long, default_value_t = 3)]
        grace: u64,
    },
}

fn main() -> ExitCode {
    let runtime = std::env::var("XDG_RUNTIME_DIR").ok();
    let done = match Arguments::parse().command {
        Command::Check { deploy, user, name, manifest } => {
            checked(&name, &manifest, runtime.as_deref(), deploy.then_some(user))
        }
        Command::Clean { manifest, bytes, links } => cleaned(&manifest, &bytes, &links, runtime.as_deref()),
        Command::Watch { manifest, state, user, grace } => {
            let grace = Duration::from_secs(grace);
            watched(&WatchOptions { manifest, state, user, runtime, grace })
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed { error, hint }) => {
            eprintln!("artifacts-target: {error}");
            if let Some(hint) = hint {
                eprintln!("  {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Holds the error that ends the program, and what to do about it.
struct Failed {
    error: anyhow::Error,
    hint: Option<String>,
}

impl<E: Error + Explain + Send + Sync + 'static> From<E> for Failed {
    fn from(error: E) -> Self {
        Self { hint: error.hint(), error: error.into() }
    }
}

/// Checks an artifact; `deploy` is whether the user's manager is to be told where it is incomplete.
fn checked(name: &str, path: &Path, runtime: Option<&str>, deploy: Option<bool>) -> Result<(), Failed> {
    let manifest = TargetManifest::read(path, runtime)?;
    let (name, artifact) = manifest.artifact(name, path)?;
    let mut faults = check(artifact, &mut Accounts::default());
    if let Some(user) = deploy.filter(|_| !faults.is_empty()) {
        match deploy_again(artifact, user) {
            Ok(true) => faults = check(artifact, &mut Accounts::default()),
            Ok(false) => {}
            Err(why) => eprintln!("artifacts-target: cannot deploy the files of `{name}` again: {why}"),
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = faults.iter().map(|fault| format!("artifact `{name}` is incomplete: {fault}")).collect();
    let hint =
        artifact.installers.first().map(|unit| format!("{unit} deploys this file; see `systemctl status {unit}`"));
    Err(Failed { error: anyhow!(lines.join("\nartifacts-target: ")), hint })
}

fn cleaned(manifest: &Path, bytes: &Path, links: &Path, runtime: Option<&str>) -> Result<(), Failed> {
    let manifest = TargetManifest::read(manifest, runtime)?;
    if !bytes.exists() {
        return Ok(());
    }
    let farm = DeployDir::open(bytes, links)?;
    let (gone, mut failed) = farm.clean(&farm.lock()?, &manifest.made_here())?;
    for name in gone {
        eprintln!("artifact `{name}` is no longer declared: removed");
    }
    let Some(last) = failed.pop() else { return Ok(()) };
    for why in failed {
        eprintln!("artifacts-target: {why}");
    }
    Err(last.into())
}

fn watched(options: &WatchOptions) -> Result<(), Failed> {
    let ready = || {
        // Fails only where no one asked to be told.
        let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    };
    Ok(watch::watch(options, ready, |message| eprintln!("{message}"))?)
}
