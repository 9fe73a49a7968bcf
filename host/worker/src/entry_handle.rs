/// Stands for the entry of the current call, to be read. A component only ever borrows it.
pub struct ReadHandle;

/// Stands for the entry of the current call, to be written. A component only ever borrows it.
pub struct WriteHandle;
