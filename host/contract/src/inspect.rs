use artifacts_digest::Sha256;
use wasmparser::{Encoding, Parser, Payload};

use crate::config::SchemaOrigin;
use crate::imports::{STORAGE, other_storage, unavailable};
use crate::{BackendManifest, ConfigSchema, LARGEST, Refusal, SECTION, imports};

/// How many imports and exports are read, and how long a name may be: a backend has some twenty of forty bytes.
const MOST_NAMES: usize = 1000;
const LONGEST_NAME: usize = 1000;
/// How deep components and modules may be nested: tools make three levels.
const DEEPEST: u32 = 100;

/// Holds everything that can be told of some bytes without running or compiling them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// SHA-256 of the bytes.
    pub sha256: Sha256,
    /// Size in bytes.
    pub size: usize,
    /// The imported interfaces, in the component's order.
    pub imports: Vec<String>,
    /// The exports, in the component's order.
    pub exports: Vec<String>,
    /// What it says of itself, if that could be read.
    pub manifest: Option<BackendManifest>,
    /// Why this host would not run it; `None` when it would.
    pub refusal: Option<Refusal>,
}

/// Reads what can be read, never fails: what is wrong is in `refusal`.
pub fn inspect(bytes: &[u8]) -> Inspection {
    inspect_with_schema(bytes, Sha256::digest(bytes), SchemaOrigin::Anyone).0
}

/// The same of bytes with this digest, with the schema of configurations of what is not refused.
pub(crate) fn inspect_with_schema(
    bytes: &[u8],
    sha256: Sha256,
    origin: SchemaOrigin,
) -> (Inspection, Option<ConfigSchema>) {
    let mut found = Inspection {
        sha256,
        size: bytes.len(),
        imports: Vec::new(),
        exports: Vec::new(),
        manifest: None,
        refusal: None,
    };
    match fill(&mut found, bytes, origin) {
        Ok(schema) => (found, Some(schema)),
        Err(refusal) => (Inspection { refusal: Some(refusal), ..found }, None),
    }
}

fn fill(found: &mut Inspection, bytes: &[u8], origin: SchemaOrigin) -> Result<ConfigSchema, Refusal> {
    kind(bytes)?;
    let mut manifests = Vec::new();
    walk(bytes, found, &mut manifests)?;
    let manifest = match manifests.as_slice() {
        [] => Err(Refusal::NoManifest),
        [one] => BackendManifest::parse_with_schema(one, origin).map_err(Refusal::Manifest),
        _ => Err(Refusal::ManyManifests),
    };
    found.manifest = manifest.as_ref().ok().map(|(manifest, _)| manifest.clone());
    if let Some((import, why)) = found.imports.iter().find_map(|name| Some((name.clone(), unavailable(name)?))) {
        return Err(Refusal::Import { import, why });
    }
    if !found.exports.iter().any(|name| imports::exports(name, STORAGE)) {
        return Err(Refusal::World { found: listed(&found.exports), other: other_storage(&found.exports) });
    }
    manifest.map(|(_, schema)| schema)
}

pub(super) fn kind(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.len() > LARGEST {
        return Err(Refusal::TooLarge { size: bytes.len() });
    }
    if is_compiled_code(bytes) {
        return Err(Refusal::Precompiled);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(Refusal::CoreModule);
    }
    if !Parser::is_component(bytes) {
        return Err(Refusal::NotWasm { found: looks_like(bytes) });
    }
    Ok(())
}

/// Imports and exports are those of the outermost level: what is nested cannot import by itself. The manifest may be nested, where
/// a linker leaves it.
fn walk<'a>(bytes: &'a [u8], found: &mut Inspection, manifests: &mut Vec<&'a [u8]>) -> Result<(), Refusal> {
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| damaged(&error))? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err(Refusal::CoreModule),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } if depth >= DEEPEST => {
                return Err(Refusal::Damaged { why: format!("more than {DEEPEST} components inside of each other") });
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    push(&mut found.imports, import.map_err(|error| damaged(&error))?.name.name)?;
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    push(&mut found.exports, export.map_err(|error| damaged(&error))?.name.name)?;
                }
            }
            Payload::CustomSection(section) if section.name() == SECTION => {
                manifests.push(section.data());
                if manifests.len() > 1 {
                    return Err(Refusal::ManyManifests);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn push(names: &mut Vec<String>, name: &str) -> Result<(), Refusal> {
    if names.len() >= MOST_NAMES || name.len() > LONGEST_NAME {
        return Err(Refusal::Damaged {
            why: format!("more than {MOST_NAMES} names, or one over {LONGEST_NAME} bytes"),
        });
    }
    names.push(name.to_owned());
    Ok(())
}

fn damaged(error: &wasmparser::BinaryReaderError) -> Refusal {
    Refusal::Damaged { why: format!("{} (at byte {})", error.message().escape_debug(), error.offset()) }
}

/// Returns whether the bytes look like code that wasmtime compiled: an ELF file whose OS ABI is wasmtime's own (200). This makes
/// a better message only: whatever is no component is refused in any case.
fn is_compiled_code(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF") && bytes.get(7) == Some(&200)
}

fn looks_like(bytes: &[u8]) -> String {
    match bytes {
        [] => "an empty file".to_owned(),
        [0, b'a', b's', b'm', ..] => "WebAssembly of an unknown version, or cut off".to_owned(),
        [0x7f, b'E', b'L', b'F', ..] => "a native program or library (ELF)".to_owned(),
        _ if bytes.trim_ascii_start().starts_with(b"(") => "text (WebAssembly's text form is not taken)".to_owned(),
        _ => format!("bytes that begin with `{}`", bytes[..bytes.len().min(8)].escape_ascii()),
    }
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut text: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", name.escape_debug())).collect();
    if names.len() > SHOWN {
        text.push(format!("and {} more", names.len() - SHOWN));
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section of this number.
    fn section(number: u8, content: &[u8]) -> Vec<u8> {
        let mut length = content.len();
        let mut bytes = vec![number];
        while length > 0x7f {
            bytes.push(0x80 | u8::try_from(length & 0x7f).unwrap_or_default());
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap_or_default());
        bytes.extend(content);
        bytes
    }

    fn component(sections: &[u8]) -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0", sections].concat()
    }

    #[test]
    fn what_is_nested_without_end_is_refused() {
        let nested = |levels: usize| (0..levels).fold(component(&[]), |inner, _| component(&section(4, &inner)));
        let refused = |levels| inspect(&nested(levels)).refusal;
        assert!(matches!(refused(DEEPEST as usize), Some(Refusal::World { .. })));
        assert!(matches!(refused(DEEPEST as usize + 1), Some(Refusal::Damaged { .. })));
        assert!(matches!(refused(5_000), Some(Refusal::Damaged { .. })));
    }

    #[test]
    fn the_second_manifest_is_the_last_that_is_looked_at() {
        let name = u8::try_from(SECTION.len()).unwrap_or_default();
        let manifest = section(0, &[&[name], SECTION.as_bytes(), b"{}"].concat());
        let many = component(&manifest.repeat(1_000_000));
        assert_eq!(inspect(&many).refusal, Some(Refusal::ManyManifests));
        // What follows is not even read.
        let broken = component(&[manifest.repeat(2), vec![0xff; 9]].concat());
        assert_eq!(inspect(&broken).refusal, Some(Refusal::ManyManifests));
    }
}
