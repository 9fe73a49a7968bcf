/// What lies in a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Every declared file is there and sound, as far as can be told without a key.
    Present,
    /// Nothing is there. The host compares this with what it sees itself.
    Absent,
    /// There is something, but not what is declared: a kind (`files`, `format`, …) and a sentence each.
    Stale(Vec<(String, String)>),
}
