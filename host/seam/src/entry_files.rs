use std::collections::BTreeMap;

/// Maps the clean names of an entry's stored files to their bytes.
pub type EntryFiles = BTreeMap<String, Vec<u8>>;
