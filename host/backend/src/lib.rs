//! Backends: their manifests, grants, and running them as WebAssembly components.
