//! Bytes that cross a pipe in one piece, not as a list of numbers: so that how much structure a message has can be counted.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

struct Piece<'a>(&'a [u8]);

impl Serialize for Piece<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct Owned(Vec<u8>);

impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Owned;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Owned, E> {
                Ok(Owned(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    Piece(bytes).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    Ok(Owned::deserialize(deserializer)?.0)
}

/// The same for each of some files.
pub(crate) mod files {
    use super::{BTreeMap, Deserializer, MapAccess, Owned, Piece, SerializeMap, Serializer, Visitor, fmt};
    use crate::EntryFiles;

    pub(crate) fn serialize<S: Serializer>(files: &EntryFiles, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(files.len()))?;
        for (name, bytes) in files {
            map.serialize_entry(name, &Piece(bytes))?;
        }
        map.end()
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EntryFiles, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = EntryFiles;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("files")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EntryFiles, A::Error> {
                let mut files = BTreeMap::new();
                while let Some((name, Owned(bytes))) = map.next_entry()? {
                    files.insert(name, bytes);
                }
                Ok(files)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}
