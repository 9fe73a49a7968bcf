//! Asking a person, or reading the answers from a file.
