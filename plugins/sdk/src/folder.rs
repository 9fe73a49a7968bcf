//! A directory of files: that of the call in a component, any one elsewhere.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasi;

#[cfg(not(target_arch = "wasm32"))]
pub use native::Folder;
#[cfg(target_arch = "wasm32")]
pub use wasi::Folder;
