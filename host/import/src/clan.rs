//! Vars of clan, whose files are below `vars` and `secrets/clan-vars`.

use std::path::{Path, PathBuf};

use artifacts_declared::TargetKind;

use crate::agenix::{kept_mode, not_root};
use crate::configuration::{ClanFile, ForeignConfiguration};
use crate::findings::Findings;
use crate::found::{FoundForm, FoundGroup, FoundSecret, Placement};
use crate::{Remark, Tree};

/// Finds the vars of one machine: those of its own, and the shared ones that it declares or has access to.
pub fn find(configuration: &ForeignConfiguration, tree: &dyn Tree, findings: &mut Findings) {
    if configuration.id.kind == TargetKind::HomeManager {
        return;
    }
    let machine = configuration.id.name.as_str();
    let own = format!("per-machine/{machine}");
    for (scope, is_shared) in [(own.as_str(), false), ("shared", true)] {
        for (generator, file, path, form) in files(tree, scope) {
            let declared = configuration.data.clan.get(&generator).filter(|one| one.share == is_shared);
            if is_shared && declared.is_none() && !has_access(tree, &generator, machine) {
                continue;
            }
            let option = declared.and_then(|one| one.files.get(&file));
            let subject = format!("{machine}: {generator}/{file}");
            let mut remark = |why: &str, action: &str| findings.remarks.push(Remark::new(&subject, why, action));
            let placement = placement(option, form == FoundForm::Plain, &mut remark);
            let of = (!is_shared).then(|| configuration.id.clone());
            let group = FoundGroup::Generator(of, generator.clone());
            let target = configuration.id.clone();
            findings.secrets.push(FoundSecret { target, name: generator, group, file, path, form, placement });
        }
    }
}

/// Lists the files of a scope: generator, file, where it is, and how.
fn files(tree: &dyn Tree, scope: &str) -> Vec<(String, String, PathBuf, FoundForm)> {
    let mut found = Vec::new();
    let vars = PathBuf::from("vars").join(scope);
    for path in tree.list(&vars) {
        if let [generator, file, kind] = words(&path, &vars).as_slice() {
            let form = match kind.as_str() {
                "secret" => FoundForm::SopsBinary,
                "value" => FoundForm::Plain,
                _ => continue,
            };
            found.push((generator.clone(), file.clone(), path, form));
        }
    }
    let age = PathBuf::from("secrets/clan-vars").join(scope);
    for path in tree.list(&age) {
        if let [generator, file, stored] = words(&path, &age).as_slice()
            && *stored == format!("{file}.age")
        {
            found.push((generator.clone(), file.clone(), path, FoundForm::Age));
        }
    }
    found
}

fn words(path: &Path, below: &Path) -> Vec<String> {
    let rest = path.strip_prefix(below).unwrap_or(path);
    rest.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
}

/// Returns whether a machine is among those that a shared generator's secrets are encrypted to: each has a link beside them.
fn has_access(tree: &dyn Tree, generator: &str, machine: &str) -> bool {
    let dir = PathBuf::from("vars/shared").join(generator);
    tree.list(&dir).iter().any(|link| match words(link, &dir).as_slice() {
        [_, kind, name] => kind == "machines" && name == machine,
        _ => false,
    })
}

fn placement(option: Option<&ClanFile>, is_public: bool, remark: &mut impl FnMut(&str, &str)) -> Placement {
    let Some(option) = option else { return Placement { is_public, ..Placement::default() } };
    if let Some(when) = option.needed_for.as_deref().filter(|when| !matches!(*when, "services" | "users")) {
        remark(&format!("`neededFor = \"{when}\"` does not exist here"), "read it later, or leave it with clan");
    }
    Placement {
        mode: kept_mode(option.mode.as_deref(), remark).filter(|_| !is_public),
        owner: not_root(option.owner.clone()).filter(|_| !is_public),
        group: not_root(option.group.clone()).filter(|_| !is_public),
        restart_units: option.restart_units.clone(),
        is_for_users: option.needed_for.as_deref() == Some("users"),
        is_kept_back: option.deploy == Some(false),
        is_public,
        ..Placement::default()
    }
}
