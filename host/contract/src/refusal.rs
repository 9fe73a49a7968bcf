use artifacts_text::Explain;

use crate::imports::OTHER_CONTRACT;
use crate::imports::STORAGE;
use crate::{LARGEST, ManifestError, SECTION};

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
    #[error("it imports `{}`, which means {means}; expected only the directory /entry, streams, clocks, random numbers and artifacts:backend/*", .import.escape_debug())]
    Import {
        /// The import.
        import: String,
        /// What it would reach.
        means: &'static str,
    },
    /// It is no backend.
    #[error("expected a component that exports `{STORAGE}@0.2`, found exports: {found}")]
    World {
        /// What it exports.
        found: String,
    },
    /// Its imports or exports have the right names and the wrong types.
    #[error("it does not fit the contract `artifacts:backend@0.2.0`: {why}")]
    Contract {
        /// Which one, as wasmtime tells it.
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
                Some("build it for wasm32-wasip2, or make a component of it with `wasm-tools component new`")
            }
            Self::Precompiled => Some("give the component itself (.wasm); this host compiles it"),
            Self::Import { means: "the network" | "the network, by HTTP", .. } => {
                Some("backends get no network, and nothing grants it; leave the code out that opens sockets")
            }
            Self::Import { means: OTHER_CONTRACT, .. } => {
                Some("build it against 0.2 of the contract, or update `artifacts`")
            }
            Self::Import { .. } => Some("leave out the code or the library that imports it; nothing grants it"),
            Self::World { found } if found.contains("artifacts:backend/") => {
                Some("build it against 0.2 of the contract, or update `artifacts`")
            }
            Self::World { .. } | Self::Contract { .. } => Some("build it against wit/backend.wit of this version"),
            Self::NoManifest | Self::ManyManifests | Self::Manifest(_) => {
                Some("write a manifest and add it with `artifacts backend annotate`")
            }
            Self::TooLarge { .. } | Self::NotWasm { .. } | Self::Damaged { .. } => None,
        };
        hint.map(str::to_owned)
    }
}
