//! The files of a crate import in one direction.

use std::collections::{BTreeMap, BTreeSet};

use crate::none;
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
    none(&found, "these files import each other; move what both need into a file of its own");
}

/// `work/set.rs` is `work::set`, and `mod.rs` its directory.
fn module(file: &str) -> String {
    let path = file.trim_end_matches(".rs").replace('/', "::");
    match path.as_str() {
        "lib" | "main" => String::new(),
        path => path.trim_end_matches("::mod").to_owned(),
    }
}

/// The modules of a crate, and what each passes on with `pub use`, by module and name.
struct Modules<'a> {
    all: BTreeSet<&'a str>,
    passed_on: BTreeMap<(&'a str, String), String>,
}

impl<'a> Modules<'a> {
    fn new(files: &'a [(String, String)]) -> Self {
        let all = files.iter().map(|(module, _)| module.as_str()).collect();
        let mut modules = Self { all, passed_on: BTreeMap::new() };
        for (module, code) in files {
            for (_, tree) in statements(code) {
                for (path, name) in tree.as_deref().map(leaves).unwrap_or_default() {
                    if let Some(path) = modules.absolute(module, &path) {
                        modules.passed_on.insert((module, name), path);
                    }
                }
            }
        }
        modules
    }

    /// A path from the crate's root, if it is not one of another crate.
    fn absolute(&self, module: &str, path: &str) -> Option<String> {
        if let Some(path) = path.strip_prefix("crate::") {
            return Some(path.to_owned());
        }
        let (mut above, mut path) = (module, path);
        while let Some(rest) = path.strip_prefix("super::") {
            above = above.rsplit_once("::").map_or("", |(above, _)| above);
            path = rest;
        }
        let is_relative = above != module || path.starts_with("self::");
        let full = below(above, path.trim_start_matches("self::"));
        let child = below(above, path.split("::").next().unwrap_or_default());
        (is_relative || self.all.contains(child.as_str())).then_some(full)
    }

    /// The file that has what a path names, and not one that passes it on.
    fn home(&self, path: &str) -> &'a str {
        let mut path = path.to_owned();
        for _ in 0..9 {
            let mut file = path.as_str();
            while !self.all.contains(file) {
                file = file.rsplit_once("::").map_or("", |(file, _)| file);
            }
            let (file, rest) = (*self.all.get(file).unwrap(), path[file.len()..].trim_start_matches("::"));
            let (name, more) = rest.split_once("::").unwrap_or((rest, ""));
            match self.passed_on.get(&(file, name.to_owned())) {
                Some(other) if *other != path => path = below(other, more),
                _ => return file,
            }
        }
        panic!("`{path}` is passed on in a circle")
    }
}

fn below(module: &str, path: &str) -> String {
    [module, path].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("::")
}

/// The statements of a file, each with the tree of the `pub use` at its end, if there is one.
fn statements(code: &str) -> Vec<(String, Option<String>)> {
    let code = format!("\n{code}");
    let begins = ["\npub use ", "\npub(crate) use ", "\npub(super) use "];
    let split = |statement: &str| {
        let found = begins.iter().find_map(|begin| Some((statement.rfind(begin)?, begin.len())));
        match found {
            Some((at, length)) => (statement[..at].to_owned(), Some(statement[at + length..].to_owned())),
            None => (statement.to_owned(), None),
        }
    };
    code.split(';').map(split).collect()
}

/// Which file takes something from which, in a body as well as in a `use`.
fn imports(files: &[(String, String)]) -> Imports {
    let modules = Modules::new(files);
    let mut imports = Imports::new();
    for (module, code) in files {
        let all = imports.entry(module.clone()).or_default();
        for (statement, _) in statements(code) {
            let paths = named(&statement).into_iter().flat_map(leaves);
            let paths = paths.filter_map(|(path, _)| modules.absolute(module, &path));
            all.extend(paths.map(|path| modules.home(&path).to_owned()));
        }
        all.remove(module);
    }
    imports
}

/// Where paths into the crate begin in a statement: at `crate`, at `super`, and after a `use`.
fn named(statement: &str) -> Vec<&str> {
    let begins = |at: usize| !statement[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    let all = ["crate::", "super::"].iter().flat_map(|start| statement.match_indices(start));
    let mut found: Vec<&str> = all.filter(|(at, _)| begins(*at)).map(|(at, _)| &statement[at..]).collect();
    found.extend(statement.rfind("\nuse ").map(|at| &statement[at + "\nuse ".len()..]));
    found
}

/// The paths of a tree, with the name of each: `a::{b::C, D as E}` has `a::b::C` and, as `E`, `a::D`.
fn leaves(tree: &str) -> Vec<(String, String)> {
    let tree = tree.trim_start();
    let end = tree.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(tree.len());
    let (path, rest) = tree.split_at(end);
    if let Some(list) = rest.strip_prefix('{') {
        let below = items(list).into_iter().flat_map(leaves);
        return below.map(|(below, name)| (format!("{path}{}", below.trim_end_matches("self")), name)).collect();
    }
    let path = path.trim_end_matches(':');
    let alias =
        rest.strip_prefix(" as ").and_then(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
    vec![(path.to_owned(), alias.or(path.rsplit("::").next()).unwrap_or_default().to_owned())]
}

/// The items of a list in braces, up to its end.
fn items(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0_usize, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&list[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.retain(|item| !item.trim().is_empty());
    items
}

/// Whether a file comes back to itself.
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
        ("", "mod a;\nmod b;\nmod d;\npub use a::A;\npub(crate) use d::{e::E as F, G};"),
        ("a", "use crate::b::{\n    B,\n    c::C,\n};\nfn f() { crate::b::g() }"),
        ("b", "use crate::{X, A};\nuse std::fmt;"),
        ("d", "mod e;\nuse e::E;"),
        ("d::e", "use super::super::F;\nfn f() { super::super::A::new(); }"),
    ];
    let files: Vec<_> = files.iter().map(|(module, code)| ((*module).to_owned(), (*code).to_owned())).collect();
    let imports = imports(&files);
    let of = |module: &str| imports[module].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("a"), ["b"]);
    assert_eq!(of("b"), ["", "a"], "what the root passes on is not the root's");
    assert_eq!(of("d"), ["d::e"]);
    assert_eq!(of("d::e"), ["a"], "its own type, and one of the root's");
    assert!(reaches(&imports, "a") && reaches(&imports, "b") && !reaches(&imports, "") && !reaches(&imports, "d"));
}
