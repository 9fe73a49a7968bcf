//! The options of every command.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::environment::Environment;
use crate::invocation::Invocation;

/// Which recipients are accepted without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptedDigest {
    /// All.
    All,
    /// Exactly those with this SHA-256, in hex.
    Exactly(String),
}

impl std::str::FromStr for AcceptedDigest {
    type Err = &'static str;

    /// An empty value is none: it could be a variable that is not set.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            _ if text.len() == 64
                && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) =>
            {
                Ok(Self::Exactly(text.to_owned()))
            }
            _ => Err("expected the 64 hexadecimal digits that a refused run prints"),
        }
    }
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Global {
    /// Flake that declares the artifacts
    #[arg(long, global = true, value_name = "REF", default_value = ".", conflicts_with = "spec")]
    pub flake: String,
    /// Read a spec, JSON or JSON lines, instead of a flake; `-` reads standard input
    #[arg(long, global = true, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Checkout to read and write secrets in [default: the flake's own]
    #[arg(long, global = true, hide_short_help = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Private key to decrypt with: an SSH key or a file of age identities; repeatable [default: `$ARTIFACTS_IDENTITY`,
    /// otherwise `$SOPS_AGE_KEY`, `$SOPS_AGE_KEY_FILE`, the output of `$SOPS_AGE_KEY_CMD`, `~/.ssh/id_ed25519`, `~/.ssh/id_rsa`
    /// and `$XDG_CONFIG_HOME/sops/age/keys.txt`]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// Allow an age plugin, for example `yubikey` for `age-plugin-yubikey`; repeatable
    /// [default: `$ARTIFACTS_AGE_PLUGINS`, separated by commas]
    #[arg(long, global = true, hide_short_help = true, value_name = "NAME")]
    pub age_plugin: Vec<String>,
    /// Never prompt; fail if input is needed
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Register backends from a TOML file: one table per backend, with the fields of `artifacts.backends`
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub backends: Option<PathBuf>,
    /// Accept the grants of third-party backends without asking
    #[arg(long, global = true, hide_short_help = true)]
    pub accept_grants: bool,
    /// Accept new and changed recipients without asking; with DIGEST, which a refused run prints, only those that it showed
    #[arg(long, alias = "accept-readers", global = true, value_name = "DIGEST", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    pub accept_recipients: Vec<AcceptedDigest>,
    /// Let generators read the secrets of their dependencies, and use answers that they could pass on, without asking
    #[arg(long, global = true)]
    pub accept_reading: bool,
    /// Accept without asking that this checkout is a clone of one whose secrets this machine encrypted
    #[arg(long, global = true, hide_short_help = true)]
    pub accept_clone: bool,
    /// Fail instead of warning if a sandbox layer is unavailable
    #[arg(long, global = true, hide_short_help = true)]
    pub require_sandbox: bool,
    /// Audit log to append to [default: `$XDG_STATE_HOME/artifacts/audit.jsonl`]
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
    /// Override a flake input, like `nix --override-input`
    #[arg(long, global = true, hide_short_help = true, num_args = 2, value_names = ["NAME", "REF"], action = clap::ArgAction::Append)]
    pub override_input: Vec<String>,
    /// Pass an argument to `nix eval`; repeatable
    #[arg(long, global = true, hide_short_help = true, value_name = "ARG", allow_hyphen_values = true)]
    pub nix_arg: Vec<String>,
    /// Work on up to N things in parallel: generators, and files to decrypt and encrypt [default: one per processor]
    #[arg(long, global = true, hide_short_help = true, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Evaluate up to N targets in parallel [default: limited by CPUs and memory]
    #[arg(long, global = true, hide_short_help = true, value_name = "N")]
    pub eval_jobs: Option<NonZeroUsize>,
    /// Ignore the evaluation cache
    #[arg(long, global = true, hide_short_help = true)]
    pub no_eval_cache: bool,
    /// When to use color; `auto` is where a terminal shows it and `NO_COLOR` is not set
    #[arg(long, global = true, hide_short_help = true, value_name = "WHEN", default_value = "auto")]
    pub color: clap::ColorChoice,
    /// Print one JSON object to standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Print more detail; `-vv` adds every message of the backends
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Show the output of failed generators and, at a terminal, of backends; it may contain secrets
    #[arg(long, global = true, hide_short_help = true)]
    pub show_output: bool,
    /// Kill this program at the N-th step of a commit; for tests of crash safety
    #[arg(long, global = true, hide = true, value_name = "N")]
    pub crash_at: Option<u64>,
    /// Leave files unsynced; for measurements
    #[arg(long, global = true, hide = true)]
    pub no_sync: bool,
    /// What was typed, for the audit log
    #[arg(skip)]
    pub invocation: Invocation,
}

impl Global {
    /// Returns how many things are worked on at once.
    pub fn jobs(&self) -> NonZeroUsize {
        self.jobs.unwrap_or_else(Environment::processors)
    }
}
