use wasmparser::{BinaryReader, Parser};

use crate::{BackendManifest, Refusal, SECTION};

/// Magic number and version, of modules and components alike.
const PREAMBLE: usize = 8;
/// How deep components may be nested.
const DEEPEST: u32 = 100;
/// Section ids. Zero is a custom section everywhere; a component's sections 1 and 4 are whole binaries themselves.
const CUSTOM: u8 = 0;
const NESTED: [u8; 2] = [1, 4];

/// The component with this manifest in a custom section at its end, in place of any that it had, nested or not. The rest of
/// the bytes stays as it is.
///
/// # Errors
/// When the bytes are no component or the manifest is wrong.
pub fn annotate(bytes: &[u8], manifest: &BackendManifest) -> Result<Vec<u8>, Refusal> {
    let json = manifest.to_json();
    BackendManifest::parse(json.as_bytes()).map_err(Refusal::Manifest)?;
    crate::inspect::kind(bytes)?;
    let mut annotated = stripped(bytes, DEEPEST)?;
    let mut body = Vec::with_capacity(json.len() + SECTION.len() + 2);
    leb128(&mut body, SECTION.len());
    body.extend_from_slice(SECTION.as_bytes());
    body.extend_from_slice(json.as_bytes());
    section(&mut annotated, CUSTOM, &body);
    Ok(annotated)
}

/// A binary without its manifests.
fn stripped(bytes: &[u8], deepest: u32) -> Result<Vec<u8>, Refusal> {
    let deepest = deepest.checked_sub(1).ok_or_else(|| Refusal::Damaged { why: "it is nested too deep".to_owned() })?;
    let damaged = |error: wasmparser::BinaryReaderError| Refusal::Damaged { why: error.to_string() };
    let mut reader = BinaryReader::new(bytes, 0);
    let mut kept = reader.read_bytes(PREAMBLE).map_err(damaged)?.to_vec();
    while !reader.eof() {
        let begin = reader.current_position();
        let id = reader.read_u8().map_err(damaged)?;
        let size = reader.read_var_u32().map_err(damaged)?;
        let body = reader.read_bytes(size as usize).map_err(damaged)?;
        if id == CUSTOM && BinaryReader::new(body, 0).read_string().map_err(damaged)? == SECTION {
            continue;
        }
        if Parser::is_component(bytes) && NESTED.contains(&id) {
            section(&mut kept, id, &stripped(body, deepest)?);
        } else {
            kept.extend_from_slice(&bytes[begin..reader.current_position()]);
        }
    }
    Ok(kept)
}

fn section(bytes: &mut Vec<u8>, id: u8, body: &[u8]) {
    bytes.push(id);
    leb128(bytes, body.len());
    bytes.extend_from_slice(body);
}

fn leb128(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}
