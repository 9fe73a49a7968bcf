//! sops-nix, whose files have one value or several.

use artifacts_text::nix_attribute;

use crate::agenix::{failed_fields, kept_mode, kept_path, not_root};
use crate::configuration::{ForeignConfiguration, SopsOption};
use crate::findings::Findings;
use crate::found::{FoundForm, FoundGroup, FoundSecret, KeyedFormat, Placement, TextFormat};
use crate::{Remark, Tree};

/// Finds the secrets of one configuration.
pub fn find(configuration: &ForeignConfiguration, tree: &dyn Tree, findings: &mut Findings) {
    for (name, option) in &configuration.data.sops {
        let subject = format!("{}: sops.secrets.{}", configuration.id.name, nix_attribute(name));
        if let Some(secret) = secret(configuration, name, option, tree, &subject, findings) {
            findings.secrets.push(secret);
        }
    }
    for template in &configuration.data.templates {
        let subject = format!("{}: sops.templates.{}", configuration.id.name, nix_attribute(template));
        let why = "a template has no equivalent";
        let action = "leave it with sops-nix, or declare an artifact whose generator reads the others (`dependencies`)";
        findings.remarks.push(Remark::new(subject, why, action));
    }
}

fn secret(
    configuration: &ForeignConfiguration,
    name: &str,
    option: &SopsOption,
    tree: &dyn Tree,
    subject: &str,
    findings: &mut Findings,
) -> Option<FoundSecret> {
    let mut remark = |why: &str, action: &str| findings.remarks.push(Remark::new(subject, why, action));
    let set = "set the value once it is declared: `artifacts set`";
    let Some(file) = &option.sops_file else {
        remark("its `sopsFile` does not evaluate", set);
        return None;
    };
    let path = tree.locate(file).map_err(|why| remark(&why, set)).ok()?;
    let key = option.key.clone().unwrap_or_else(|| name.to_owned());
    let format = option.format.as_deref().unwrap_or("yaml");
    let Some(form) = form(format, &key) else {
        remark(
            &format!("the format `{format}` is not supported"),
            "decrypt it with sops, declare it, and `artifacts set` the value",
        );
        return None;
    };
    failed_fields(&option.failed, &mut remark);
    let placement = placement(option, &mut remark);
    let (group, file) = match &form {
        FoundForm::SopsKey { key, .. } => (FoundGroup::KeyedFile(path.clone()), key.clone()),
        _ => (FoundGroup::File(path.clone()), name.to_owned()),
    };
    Some(FoundSecret { target: configuration.id.clone(), name: name.to_owned(), group, file, path, form, placement })
}

fn form(format: &str, key: &str) -> Option<FoundForm> {
    let format = match format {
        "binary" => return Some(FoundForm::SopsBinary),
        // Whatever key is declared, sops-nix takes the whole text.
        "dotenv" => return Some(FoundForm::SopsText { format: TextFormat::Dotenv }),
        "ini" => return Some(FoundForm::SopsText { format: TextFormat::Ini }),
        "yaml" => KeyedFormat::Yaml,
        "json" => KeyedFormat::Json,
        _ => return None,
    };
    let key = key.to_owned();
    Some(if key.is_empty() { FoundForm::SopsWhole { format } } else { FoundForm::SopsKey { format, key } })
}

fn placement(option: &SopsOption, remark: &mut impl FnMut(&str, &str)) -> Placement {
    let number = |id: Option<i64>| id.filter(|id| *id != 0).map(|id| id.to_string());
    Placement {
        path: kept_path(option.path.as_deref(), remark),
        mode: kept_mode(option.mode.as_deref(), remark),
        owner: not_root(option.owner.clone()).or_else(|| number(option.uid)),
        group: not_root(option.group.clone()).or_else(|| number(option.gid)),
        restart_units: option.restart_units.clone(),
        reload_units: option.reload_units.clone(),
        is_for_users: option.needed_for_users,
        ..Placement::default()
    }
}
