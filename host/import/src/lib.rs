//! From what other tools declare and store to declarations of ours. Pure: what Nix evaluated is handed in, and so are the files.
//!
//! The way is [`find`] → [`Proposal::new`] → [`Proposal::module`], and beside it what takes the values ([`Proposal::sources`]), what old
//! references become ([`references`]) and what has no place ([`Remark`]).

mod agenix;
mod clan;
mod configuration;
mod file_facts;
mod find;
mod findings;
mod forms;
mod found;
mod group;
mod keys;
mod labels;
mod losses;
mod mode;
mod module;
mod names;
mod nix_value;
mod nixos_artifacts;
mod proposal;
mod proposed;
mod public_key;
mod references;
mod remark;
mod sops;
mod tree;

pub use configuration::{
    AgenixOption, ClanFile, ClanGenerator, DeclaredNames, ForeignConfiguration, ForeignData, RekeyOptions, SopsOption,
};
pub use file_facts::{FileFacts, file_facts};
pub use find::find;
pub use findings::Findings;
pub use forms::{ForeignForm, FormRemark, add_forms};
pub use found::{FoundForm, FoundGroup, FoundSecret, KeyedFormat, Placement, TextFormat, Tool};
pub use keys::{AdminKeys, KeyForms};
pub use labels::{key_labels, private_key};
pub use module::{ImportModule, LARGEST_PART, ModulePart};
pub use proposal::Proposal;
pub use proposed::{FoundValue, ProposedArtifact, ProposedFile};
pub use references::{OldReference, ReferenceUse, SourceText, references};
pub use remark::Remark;
pub use tree::Tree;
