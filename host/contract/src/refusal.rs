use artifacts_seam::CONTRACT;
use artifacts_text::Explain;

use crate::imports::{STORAGE, series};
use crate::{LARGEST, ManifestError, Other, SECTION, Unavailable};

/// Says why this host does not run some bytes. Nothing of them was run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too large to be looked at.
    #[error("expected a WebAssembly component of at most {LARGEST} bytes, found {size} bytes")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Not WebAssembly.
    #[error("expected a WebAssembly component, found {found}")]
    NotWasm {
        /// What it looks like.
        found: String,
    },
    /// Native code that wasmtime would load.
    #[error("expected a WebAssembly component, found precompiled native code, which could do anything")]
    Precompiled,
    /// A module, not a component.
    #[error("expected a WebAssembly component, found a core module")]
    CoreModule,
    /// It begins well and goes wrong.
    #[error("expected a valid WebAssembly component, found a damaged one: {why}")]
    Damaged {
        /// What is wrong, and where.
        why: String,
    },
    /// It imports what backends do not get.
    #[error("it imports `{}`, which means {why}; expected only the directory /entry, streams, clocks, random numbers and artifacts:backend/*", .import.escape_debug())]
    Import {
        /// The import.
        import: String,
        /// Why not.
        why: Unavailable,
    },
    /// It is no backend.
    #[error("expected a component that exports `{STORAGE}@{}`, found exports: {found}", series(CONTRACT))]
    World {
        /// What it exports.
        found: String,
        /// How its contract compares with this host's, if it is a backend of another one.
        other: Option<Other>,
    },
    /// Its imports or exports have the right names and the wrong types.
    #[error("it does not fit the contract `artifacts:backend@{CONTRACT}`: {why}")]
    Contract {
        /// The first one that does not, what was expected and what was found.
        why: String,
    },
    /// It is valid, and cannot be compiled here.
    #[error("this host cannot compile it: {why}")]
    Compiler {
        /// What the compiler ran into.
        why: String,
    },
    /// It needs more than its limits before anything of it runs.
    #[error("it cannot be started: {why}")]
    Start {
        /// What it needs, and what it has.
        why: String,
    },
    /// It does not say what it is.
    #[error("expected a custom section `{SECTION}` that holds its manifest, found none")]
    NoManifest,
    /// It says so twice.
    #[error("expected one custom section `{SECTION}`, found several")]
    ManyManifests,
    /// What it says is wrong.
    #[error("its manifest (custom section `{SECTION}`) is wrong: {0}")]
    Manifest(ManifestError),
}

impl Explain for Refusal {
    fn kind(&self) -> &'static str {
        "component"
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::CoreModule => {
                "build it for wasm32-wasip2, or convert the module: `wasm-tools component new`".to_owned()
            }
            Self::Precompiled => "give the component itself (.wasm); this host compiles it".to_owned(),
            Self::Import { why, .. } => import_hint(*why),
            Self::World { other: Some(other), .. } => contract_hint(*other),
            Self::World { .. } | Self::Contract { .. } => {
                format!("build it against {CONTRACT} of the contract: `wit/` of this version, or its sdk")
            }
            Self::NoManifest | Self::ManyManifests | Self::Manifest(_) => {
                "write a manifest and add it with `artifacts backend annotate`".to_owned()
            }
            Self::Start { .. } => "raise `limits` of its registration if that is meant".to_owned(),
            Self::Compiler { .. } => {
                "BACKEND_GUIDE.md lists what is compiled; report a crash of the compiler, with the component".to_owned()
            }
            Self::TooLarge { .. } | Self::NotWasm { .. } | Self::Damaged { .. } => return None,
        };
        Some(hint)
    }
}

/// What to do about an import that no backend gets.
fn import_hint(why: Unavailable) -> String {
    match why {
        Unavailable::Sockets => {
            "backends get no network, and nothing grants it: leave the code out that opens sockets, or build it without WASI (Python: `componentize-py componentize --stub-wasi`)".to_owned()
        }
        Unavailable::Http => {
            "backends get no network, and nothing grants it: leave it out (JavaScript: disable the features `http` and `fetch-event`)".to_owned()
        }
        Unavailable::Wasi(_) => "build it for WASI 0.2 (`wasm32-wasip2`), or without WASI".to_owned(),
        Unavailable::Contract(other) => contract_hint(other),
        Unavailable::Service | Unavailable::Unknown => {
            "remove the code or the library that imports it; no grant allows it".to_owned()
        }
    }
}

/// What to do about a component of another contract.
fn contract_hint(other: Other) -> String {
    let ours = format!("build it against {CONTRACT} of the contract: `wit/` of this version, or its sdk");
    match other {
        Other::Newer => format!("update `artifacts`, or {ours}"),
        Other::Older | Other::Unnamed => ours,
    }
}
