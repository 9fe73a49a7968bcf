//! Private folders on RAM-backed file systems.
