//! The options of every command.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

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
#[command(next_help_heading = "Options of every command")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Global {
    /// The flake with the declarations
    #[arg(long, global = true, value_name = "REF", default_value = ".", conflicts_with = "spec")]
    pub flake: String,
    /// A spec as JSON instead of a flake; `-` is standard input
    #[arg(long, global = true, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// The checkout that holds the storages, when it is not the flake's own
    #[arg(long, global = true, hide_short_help = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// A private key to read secrets back with, or a file of them; may be given again [default: `$ARTIFACTS_IDENTITY`, else
    /// `~/.ssh/id_ed25519`, `~/.ssh/id_rsa` and `$XDG_CONFIG_HOME/sops/age/keys.txt`]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// An age plugin that may be run for a private key that needs it, `yubikey` for `age-plugin-yubikey`; may be given again
    /// [default: `$ARTIFACTS_AGE_PLUGINS`, separated by commas]
    #[arg(long, global = true, hide_short_help = true, value_name = "NAME")]
    pub age_plugin: Vec<String>,
    /// Ask nothing; fail where something would have been asked
    #[arg(long, global = true)]
    pub no_input: bool,
    /// More backends, as TOML: a table a backend, as `artifacts.backends` has it
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub backends: Option<PathBuf>,
    /// Accept what the registry grants to backends that are not bundled
    #[arg(long, global = true, hide_short_help = true)]
    pub accept_grants: bool,
    /// Accept new and changed recipients without asking; with DIGEST, which a refused run prints, only those that it showed
    #[arg(long, alias = "accept-readers", global = true, value_name = "DIGEST", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    pub accept_recipients: Vec<AcceptedDigest>,
    /// Agree to what generators want to read of other artifacts' secrets
    #[arg(long, global = true)]
    pub accept_reading: bool,
    /// Accept that this checkout is a clone of one whose secrets this machine encrypted
    #[arg(long, global = true, hide_short_help = true)]
    pub accept_clone: bool,
    /// Fail when a sandbox layer is missing, instead of warning
    #[arg(long, global = true, hide_short_help = true)]
    pub require_sandbox: bool,
    /// Audit log to append to [default: `$XDG_STATE_HOME/artifacts/audit.jsonl`]
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
    /// Use another flake for an input, as `nix` does
    #[arg(long, global = true, hide_short_help = true, num_args = 2, value_names = ["NAME", "REF"], action = clap::ArgAction::Append)]
    pub override_input: Vec<String>,
    /// One more argument for `nix eval`
    #[arg(long, global = true, hide_short_help = true, value_name = "ARG", allow_hyphen_values = true)]
    pub nix_arg: Vec<String>,
    /// How many targets to evaluate at once [default: what processors and memory allow]
    #[arg(long, global = true, hide_short_help = true, value_name = "N")]
    pub eval_jobs: Option<NonZeroUsize>,
    /// Evaluate anew what was evaluated before and is unchanged
    #[arg(long, global = true, hide_short_help = true)]
    pub no_eval_cache: bool,
    /// One JSON object on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Tell more; twice, all that backends say
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Show what a failed generator said, and at a terminal what a backend said; it may hold a secret
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
