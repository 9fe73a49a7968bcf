/// Makes the crate a component: exports a [`Backend`](crate::Backend) and embeds its manifest, so that it can be
/// inspected without being run. The manifest's path is relative to the calling file. A test that the manifest is sound
/// and has the crate's version comes along.
///
/// `export!(Mine, manifest = "…")`, or `export!(Mine, manifest = "…", retrieval)` for one that also implements
/// [`Retrieve`](crate::Retrieve).
#[macro_export]
macro_rules! export {
    ($backend:ident, manifest = $manifest:literal) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        const _: () = {
            #[used]
            #[unsafe(link_section = "artifacts-backend")]
            static MANIFEST: [u8; include_bytes!($manifest).len()] = *include_bytes!($manifest);

            type Component = $crate::Adapter<$backend>;
    $crate::bindings::export_storage!(Component with_types_in $crate::bindings);
        };

        #[cfg(test)]
        #[test]
        fn the_manifest_is_sound() {
            assert_eq!($crate::manifest_fault(include_str!($manifest), env!("CARGO_PKG_VERSION")), None);
        }
    };
    ($backend:ident, manifest = $manifest:literal, retrieval) => {
        $crate::export!($backend, manifest = $manifest);

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        const _: () = {
            type Component = $crate::Adapter<$backend>;
    $crate::bindings::retrieving::export_retrieval!(Component with_types_in $crate::bindings::retrieving);
        };
    };
}

/// Checks a manifest, for the test that [`export!`] creates, and returns the reason if it is invalid. The host checks
/// more when it reads it.
#[doc(hidden)]
pub fn manifest_fault(text: &str, version: &str) -> Option<String> {
    let manifest: serde_json::Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return Some(format!("the manifest is no JSON: {error}")),
    };
    if manifest["schema"] != 1 {
        return Some(format!("`schema` is {}; expected 1", manifest["schema"]));
    }
    if manifest["version"] != version {
        return Some(format!("`version` is {}; the crate is {version}", manifest["version"]));
    }
    if !matches!(manifest["persists"].as_str(), Some("storage" | "target")) {
        return Some(format!("`persists` is {}; expected \"storage\" or \"target\"", manifest["persists"]));
    }
    let texts = ["name", "description"];
    if let Some(field) = texts.into_iter().find(|field| manifest[field].as_str().is_none_or(str::is_empty)) {
        return Some(format!("`{field}` is {}; expected a text", manifest[field]));
    }
    let scopes = manifest["scopes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known = |scope: &serde_json::Value| matches!(scope.as_str(), Some("machine" | "user" | "shared"));
    if scopes.is_empty() || !scopes.iter().all(known) {
        return Some(format!("`scopes` is {}; expected some of machine, user, shared", manifest["scopes"]));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::manifest_fault;

    const SOUND: &str =
        r#"{"schema":1,"name":"a","version":"1.0.0","description":"b","persists":"storage","scopes":["user"]}"#;

    #[test]
    fn a_fault_names_the_field() {
        assert_eq!(manifest_fault(SOUND, "1.0.0"), None);
        for (from, to, field) in [
            ("\"schema\":1", "\"schema\":2", "schema"),
            ("1.0.0", "1.0.1", "version"),
            ("storage", "disk", "persists"),
            ("\"a\"", "\"\"", "name"),
            ("[\"user\"]", "[]", "scopes"),
            ("[\"user\"]", "[\"all\"]", "scopes"),
        ] {
            let fault = manifest_fault(&SOUND.replace(from, to), "1.0.0");
            assert!(fault.as_ref().is_some_and(|fault| fault.contains(field)), "{field}: {fault:?}");
        }
    }
}
