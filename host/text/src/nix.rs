/// Returns a name as an attribute of Nix: as it is, or in quotes.
pub fn nix_attribute(name: &str) -> String {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-'".contains(c)) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('\\', r"\\").replace('"', "\\\"").replace("${", "\\${"))
    }
}
