//! agenix and agenix-rekey, whose secrets are age files, one a value.

use std::path::PathBuf;

use crate::configuration::{AgenixOption, ForeignConfiguration};
use crate::findings::Findings;
use crate::found::{FoundForm, FoundGroup, FoundSecret, Placement};
use crate::mode::octal;
use crate::public_key::{is_public_key, not_public};
use crate::{Remark, Tree};

/// Directories that the tools replace: nothing of ours can be in them.
pub const REPLACED: [&str; 4] = ["/run/agenix", "/run/secrets", "/run/agenix.d", "/run/secrets-for-users"];

/// Finds the secrets of one configuration: those of agenix-rekey, which have a source, or all others.
pub fn find(configuration: &ForeignConfiguration, is_rekey: bool, tree: &dyn Tree, findings: &mut Findings) {
    for (name, option) in &configuration.data.agenix {
        if option.is_of_rekey() == is_rekey {
            add(configuration, name, option, tree, findings);
        }
    }
}

fn add(
    configuration: &ForeignConfiguration,
    name: &str,
    option: &AgenixOption,
    tree: &dyn Tree,
    findings: &mut Findings,
) {
    let subject = format!("{}: age.secrets.{}", configuration.id.name, artifacts_text::nix_attribute(name));
    let mut remark = |why: &str, action: &str| findings.remarks.push(Remark::new(&subject, why, action));
    let path = match place(option, tree) {
        Ok(path) => path,
        Err(why) => return remark(&why, "set the value once it is declared: `artifacts set`"),
    };
    failed_fields(&option.failed, &mut remark);
    if option.symlink == Some(false) {
        remark(
            "`symlink = false` has no equivalent: the path is a symbolic link",
            "let the service read the link, or leave this secret with agenix",
        );
    }
    if option.generator {
        remark(
            "its generator is not imported; the value is",
            "declare `artifacts.store.<artifact>.generator` if it is to be generated again",
        );
    }
    let placement = Placement {
        path: kept_path(option.path.as_deref(), &mut remark),
        mode: kept_mode(option.mode.as_deref(), &mut remark),
        owner: not_root(option.owner.clone()),
        group: not_root(option.group.clone()),
        is_kept_back: option.intermediary,
        ..Placement::default()
    };
    if option.rekey_file.is_some() {
        let rekey = &configuration.data.rekey;
        let declared = rekey.host_key.iter().chain(&rekey.masters).chain(&rekey.others).cloned();
        let (keys, others): (Vec<String>, Vec<String>) = declared.partition(|key| is_public_key(key));
        if !others.is_empty() {
            findings.remarks.push(not_public(format!("{}: age.rekey", configuration.id.name)));
        }
        findings.recipients.entry(path.clone()).or_default().extend(keys);
    }
    findings.secrets.push(FoundSecret {
        target: configuration.id.clone(),
        name: name.to_owned(),
        group: FoundGroup::File(path.clone()),
        file: name.to_owned(),
        path,
        form: FoundForm::Age,
        placement,
    });
}

/// Returns where the value is. Of agenix-rekey it is the source, which admins decrypt, before the copy that the target alone does.
fn place(option: &AgenixOption, tree: &dyn Tree) -> Result<PathBuf, String> {
    let places = option.rekey_file.iter().chain(&option.file).map(|file| tree.locate(file));
    let none = Err("its file does not evaluate".to_owned());
    places.reduce(Result::or).unwrap_or(none)
}

/// Remarks on fields that do not evaluate.
pub fn failed_fields(failed: &[String], remark: &mut impl FnMut(&str, &str)) {
    if !failed.is_empty() {
        let why = format!("does not evaluate: {}", failed.join(", "));
        remark(&why, "declare it by hand in the imported file");
    }
}

/// Returns a path that a file of ours can have as well.
pub fn kept_path(path: Option<&str>, remark: &mut impl FnMut(&str, &str)) -> Option<String> {
    let path = path?;
    let is_in = |dir: &&str| path.strip_prefix(*dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if REPLACED.iter().any(is_in) {
        remark(
            &format!("the path `{path}` is in a directory that is replaced"),
            "use the path that artifacts gives it",
        );
        return None;
    }
    Some(path.to_owned())
}

/// Returns a mode that is not the default one.
pub fn kept_mode(mode: Option<&str>, remark: &mut impl FnMut(&str, &str)) -> Option<String> {
    let mode = mode?;
    let number = octal(mode);
    if number.is_none() {
        remark(&format!("the mode `{mode}` is not known"), "declare an octal mode in the imported file");
    }
    number.filter(|number| number != "0400")
}

/// Returns an owner or a group that is not the default one.
pub fn not_root(who: Option<String>) -> Option<String> {
    who.filter(|who| !matches!(who.as_str(), "0" | "root" | ""))
}
