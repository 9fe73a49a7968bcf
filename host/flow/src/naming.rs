/// Returns whether a stored file is this declared one by its name: `key` is in `key` or in `key.age`.
pub(crate) fn bears(stored: &str, file: &str) -> bool {
    stored.strip_prefix(file).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
