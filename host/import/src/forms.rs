//! Other forms of a target, such as its specialisations: as their artifacts are the target's own, so are the secrets of other tools.

use std::collections::BTreeMap;

use artifacts_declared::{TargetId, TargetKind};

use crate::found::Tool;
use crate::{ForeignConfiguration, ForeignData, Remark};

/// Holds what another form of a target has.
#[derive(Debug, Clone)]
pub struct ForeignForm {
    /// The target.
    pub id: TargetId,
    /// Its place in the flake.
    pub place: String,
    /// What Nix evaluated; none if it does not evaluate.
    pub data: Option<ForeignData>,
}

/// Holds what is to be known of another form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormRemark {
    /// The target.
    pub target: TargetId,
    /// The secret, as the other tool names it; none where it is about all of them.
    pub name: Option<String>,
    /// The remark.
    pub remark: Remark,
}

/// Adds the secrets of forms to their targets. Returns what is to be known of those that not all forms have alike.
pub fn add_forms(
    tool: Tool,
    configurations: &mut Vec<ForeignConfiguration>,
    forms: impl IntoIterator<Item = ForeignForm>,
) -> Vec<FormRemark> {
    let mut remarks = Vec::new();
    for ForeignForm { id, place, data } in forms {
        let Some(data) = data else {
            remarks.push(unevaluated(&id, &place));
            continue;
        };
        let Some(own) = configurations.iter_mut().find(|one| one.id == id) else {
            // A user of a specialisation alone.
            configurations.push(ForeignConfiguration { id, data });
            continue;
        };
        for (name, difference) in own.data.add(tool, data) {
            remarks.push(FormRemark {
                remark: remark(tool, &id, &place, &name, difference),
                target: id.clone(),
                name: Some(name),
            });
        }
    }
    remarks
}

/// How a form has a secret that not all have alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// The target itself does not have it.
    IsAlone,
    /// It has the same name and other settings.
    IsOther,
}

impl ForeignData {
    /// Adds what only another form has. Of what both have, that of the target itself stays.
    fn add(&mut self, tool: Tool, form: Self) -> Vec<(String, Difference)> {
        let Self { declared, mut agenix, sops, templates, clan, .. } = form;
        agenix.retain(|_, secret| secret.is_of_rekey() == (tool == Tool::AgenixRekey));
        merge(&mut self.declared, declared);
        let new = templates.into_iter().filter(|template| !self.templates.contains(template)).collect::<Vec<_>>();
        self.templates.extend(new);
        let (of_age, of_sops) = (merge(&mut self.agenix, agenix), merge(&mut self.sops, sops));
        let of_clan = merge(&mut self.clan, clan);
        match tool {
            Tool::Agenix | Tool::AgenixRekey => of_age,
            Tool::Sops => of_sops,
            // Files are found without it; it says where they are.
            Tool::Clan => of_clan.into_iter().filter(|(_, difference)| *difference == Difference::IsOther).collect(),
            Tool::NixosArtifacts => Vec::new(),
        }
    }
}

fn merge<T: PartialEq>(own: &mut BTreeMap<String, T>, form: BTreeMap<String, T>) -> Vec<(String, Difference)> {
    let mut differences = Vec::new();
    for (name, one) in form {
        match own.get(&name) {
            Some(other) if *other == one => {}
            Some(_) => differences.push((name, Difference::IsOther)),
            None => {
                own.insert(name.clone(), one);
                differences.push((name, Difference::IsAlone));
            }
        }
    }
    differences
}

fn remark(tool: Tool, id: &TargetId, place: &str, name: &str, difference: Difference) -> Remark {
    let subject = format!("{}: {}", id.name, tool.set(name));
    match difference {
        Difference::IsAlone => {
            let whole = if id.kind == TargetKind::HomeManager { "user" } else { "machine" };
            let action =
                format!("it is declared for the {whole} as a whole; move that there if nothing else is to have it");
            Remark::new(subject, format!("only {place} has it"), action)
        }
        Difference::IsOther => {
            let why = format!("{place} has it in another way, which is not imported");
            Remark::new(subject, why, "declare there what differs")
        }
    }
}

fn unevaluated(id: &TargetId, place: &str) -> FormRemark {
    let why = "it does not evaluate, and was not searched";
    let remark = Remark::new(place, why, "fix it, then import again");
    FormRemark { target: id.clone(), name: None, remark }
}
