use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Holds `N` bytes that are written as lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

/// Holds a SHA-256 (FIPS 180-4).
pub type Sha256 = Hex<32>;

/// Identifies one generation of an instance: 128 random bits. Generating again draws new ones; re-encrypting keeps
/// them.
pub type Generation = Hex<16>;

impl<const N: usize> Hex<N> {
    /// Draws random bytes from the kernel, `getrandom(2)`.
    ///
    /// # Errors
    /// The kernel's error, for example where a sandbox forbids the call.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; N];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Reports a text that is not the expected number of lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {0} lower-case hex digits")]
pub struct HexError(usize);

impl<const N: usize> std::str::FromStr for Hex<N> {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let mut bytes = [0; N];
        match base16ct::lower::decode(text, &mut bytes) {
            Ok(decoded) if decoded.len() == N => Ok(Self(bytes)),
            _ => Err(HexError(N * 2)),
        }
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<const N: usize>;
        impl<const N: usize> de::Visitor<'_> for Text<N> {
            type Value = Hex<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} lower-case hex digits", N * 2)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hex<N>, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_lower_case_digits_of_the_right_number_are_read() {
        let text = "0f".repeat(16);
        let generation: Generation = text.parse().unwrap();
        assert_eq!((generation.to_string(), generation), (text.clone(), Hex([0x0f; 16])));
        for wrong in ["", &text[1..], &text.to_uppercase(), &format!("{text}00"), &"0g".repeat(16)] {
            let error = wrong.parse::<Generation>().unwrap_err();
            assert_eq!(error.to_string(), "expected 32 lower-case hex digits");
        }
    }

    #[test]
    fn it_is_a_string_in_json() {
        let json = serde_json::to_string(&Hex([1, 255])).unwrap();
        assert_eq!(json, "\"01ff\"");
        assert_eq!(serde_json::from_str::<Hex<2>>(&json).unwrap(), Hex([1, 255]));
    }
}
