use crate::form::METADATA;
use crate::rule::DEFAULT_SUFFIX;

/// Returns why a structured file cannot have this key; `None` if it can.
pub fn refused_key(key: &str) -> Option<&'static str> {
    if key == METADATA {
        Some("sops keeps its metadata there")
    } else if key.ends_with(DEFAULT_SUFFIX) {
        Some("sops stores values of keys that end in `_unencrypted` in the clear")
    } else if key == "<<" {
        Some("YAML takes it for a merge of maps")
    } else if key.contains('/') {
        Some("sops-nix takes a slash for the way into a nested map")
    } else if key.is_empty() {
        Some("sops-nix takes an empty key for the whole file")
    } else {
        None
    }
}
