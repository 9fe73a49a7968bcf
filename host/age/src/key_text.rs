//! The text of a native key: bech32 under a prefix that says what it is.

use age_core::primitives::bech32_decode;
use bech32::Hrp;
use zeroize::Zeroizing;

/// Reads the bytes of a key whose text begins with this prefix. As age has it, upper and lower case are the same.
///
/// # Errors
/// If it is none, as one sentence without its end.
pub(crate) fn bytes(text: &str, prefix: Hrp) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    bech32_decode(
        text,
        |_| "invalid Bech32 encoding",
        |found| if found == prefix { Ok(()) } else { Err("incorrect HRP") },
        |_, bytes| Ok(Zeroizing::new(bytes.collect())),
    )
}
