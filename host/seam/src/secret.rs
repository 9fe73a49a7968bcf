/// Holds plaintext. It is wiped when it is dropped, and never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(zeroize::Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(zeroize::Zeroizing::new(bytes))
    }

    /// Returns the plaintext.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether both hold the same. The time that it takes depends on the lengths alone.
    pub fn is_same(&self, other: &Self) -> bool {
        let differs = self.0.iter().zip(other.0.iter()).fold(0, |differs, (one, other)| differs | (one ^ other));
        self.0.len() == other.0.len() && std::hint::black_box(differs) == 0
    }

    /// Returns its length, in bytes.
    pub fn size(&self) -> u64 {
        self.0.len() as u64
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// As one piece of bytes: read back, it is in one piece of memory that never moved.
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl serde::de::Visitor<'_> for Bytes {
            type Value = Secret;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Secret, E> {
                Ok(Secret::new(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}
