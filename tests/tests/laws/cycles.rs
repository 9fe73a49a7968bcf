//! The files of a crate import in one direction.

use std::collections::{BTreeMap, BTreeSet};

use crate::exactly;
use crate::sources::host;

/// Imports of a crate's files, by module path; the root is empty.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_crate_has_files_that_import_each_other() {
    let mut crates: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for source in host() {
        let (package, file) = source.path.trim_start_matches("host/").split_once("/src/").unwrap();
        crates.entry(package.to_owned()).or_default().push((module(file), source.code));
    }
    let mut found = BTreeSet::new();
    for (package, files) in crates {
        let imports = imports(&files);
        let round = imports.keys().filter(|start| reaches(&imports, start));
        found.extend(round.map(|file| format!("{package}::{file}").trim_end_matches("::").to_owned()));
    }
    exactly(&found, "cycles", "these files import each other; import by a file's own path, and what is below");
}

/// `work/set.rs` is `work::set`, and `mod.rs` its directory.
fn module(file: &str) -> String {
    let path = file.trim_end_matches(".rs").replace('/', "::");
    match path.as_str() {
        "lib" | "main" => String::new(),
        path => path.trim_end_matches("::mod").to_owned(),
    }
}

/// Which file takes something from which, in a body as well as in a `use`. What a file says of its own children (`mod`, `pub use`) is
/// no import.
fn imports(files: &[(String, String)]) -> Imports {
    let modules: BTreeSet<&str> = files.iter().map(|(module, _)| module.as_str()).collect();
    let mut imports = Imports::new();
    for (module, code) in files {
        let all = imports.entry(module.clone()).or_default();
        for line in code.split(';').filter(|line| !line.trim_start().starts_with("pub use")) {
            for (at, _) in line.match_indices("crate::") {
                all.extend(taken(&line[at + "crate::".len()..]).iter().map(|path| file(path, &modules).to_owned()));
            }
        }
        all.remove(module);
    }
    imports
}

/// The paths behind `crate::`: one, or those of a list, as far as its first level.
fn taken(text: &str) -> Vec<String> {
    let path = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
        text[..end].trim_end_matches(':').to_owned()
    };
    let Some(list) = text.strip_prefix('{') else { return vec![path(text)] };
    let mut depth = 0_usize;
    let mut items = vec![String::new()];
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            c if depth == 0 => items.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    items.iter().map(|item| path(item.trim())).filter(|item| !item.is_empty()).collect()
}

/// The file that has what a path names: the longest module in it.
fn file<'a>(path: &'a str, modules: &BTreeSet<&str>) -> &'a str {
    let mut rest = path;
    while !modules.contains(rest) {
        rest = rest.rsplit_once("::").map_or("", |(rest, _)| rest);
    }
    rest
}

/// Whether a file comes back to itself. Through the root comes whatever the root gives away, so its own imports do not count.
fn reaches(imports: &Imports, start: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = imports[start].iter().map(String::as_str).collect();
    while let Some(file) = open.pop() {
        if file == start {
            return true;
        }
        if seen.insert(file) {
            open.extend(imports.get(file).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

#[test]
fn imports_are_read() {
    let files = [
        ("", "mod a; mod b; pub use crate::a::A;"),
        ("a", "use crate::b::{B, c::C};\nfn f() { crate::b::g() }"),
        ("b", "use crate::{X, a::A};"),
    ];
    let files: Vec<_> = files.iter().map(|(module, code)| ((*module).to_owned(), (*code).to_owned())).collect();
    let imports = imports(&files);
    assert_eq!(imports["a"], BTreeSet::from(["b".to_owned()]));
    assert_eq!(imports["b"], BTreeSet::from([String::new(), "a".to_owned()]));
    assert!(reaches(&imports, "a") && reaches(&imports, "b") && !reaches(&imports, ""));
}
