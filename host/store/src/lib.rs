//! Slices: reading, committing, receipts, locks, trash and git's index.
