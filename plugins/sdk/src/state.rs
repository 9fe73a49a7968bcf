/// Describes whether and how an instance is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Every declared file is stored and valid, as far as that is known without a key.
    Present,
    /// Nothing is stored. The host compares this with the files.
    Absent,
    /// Something is stored, but not as declared: for each reason its kind (`files`, `format`, …) and a sentence.
    Stale(Vec<(String, String)>),
}
