//! What `wit-bindgen` makes of the contract: what every backend exports, and what one exports besides that reads back.
//!
//! The contract is a link in the crate's own folder: nixpkgs vendors a crate from git by copying that folder alone, and follows
//! its links.

#![allow(missing_docs, unsafe_code, clippy::pedantic, clippy::unwrap_used, clippy::expect_used)]

wit_bindgen::generate!({
    path: "wit",
    world: "backend",
    pub_export_macro: true,
    export_macro_name: "export_storage",
    default_bindings_module: "artifacts_backend_sdk::bindings",
});

/// A world of its own, since a component exports what it names: the two are joined when the component is linked.
pub mod retrieving {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package artifacts:sdk; world retrieving { export artifacts:backend/retrieval@0.2.0; }",
        pub_export_macro: true,
        export_macro_name: "export_retrieval",
        default_bindings_module: "artifacts_backend_sdk::bindings::retrieving",
        with: {
            "artifacts:backend/types@0.2.0": crate::bindings::artifacts::backend::types,
            "artifacts:backend/secrets@0.2.0": crate::bindings::artifacts::backend::secrets,
            "artifacts:backend/entries@0.2.0": crate::bindings::artifacts::backend::entries,
        },
    });
}
