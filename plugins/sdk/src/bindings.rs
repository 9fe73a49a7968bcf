//! What `wit-bindgen` makes of the contract.

#![allow(missing_docs, unsafe_code, clippy::pedantic, clippy::unwrap_used, clippy::expect_used)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "backend",
    pub_export_macro: true,
    export_macro_name: "export_backend",
    default_bindings_module: "artifacts_backend_sdk::bindings",
});
