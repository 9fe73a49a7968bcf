use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::findings::Findings;
use crate::found::{FoundForm, Tool};
use crate::group::subject;
use crate::{ForeignConfiguration, FoundSecret, Remark, Tree, agenix, clan, file_facts, nixos_artifacts, sops};

/// Finds the secrets of a tool in evaluated configurations, and what their files say. A secret without a usable file is left out, with a
/// remark.
pub fn find(tool: Tool, configurations: &[ForeignConfiguration], tree: &dyn Tree) -> Findings {
    let mut findings = Findings::default();
    for configuration in configurations {
        match tool {
            Tool::Agenix => agenix::find(configuration, false, tree, &mut findings),
            Tool::AgenixRekey => agenix::find(configuration, true, tree, &mut findings),
            Tool::Sops => sops::find(configuration, tree, &mut findings),
            Tool::Clan => clan::find(configuration, tree, &mut findings),
            Tool::NixosArtifacts => nixos_artifacts::find(configuration, tree, &mut findings.remarks),
        }
    }
    check_files(tool, tree, &mut findings);
    findings
}

/// Reads each file once, and leaves out the secrets of those that are not what they should be.
fn check_files(tool: Tool, tree: &dyn Tree, findings: &mut Findings) {
    let mut read: BTreeMap<PathBuf, Result<(), String>> = BTreeMap::new();
    let secrets = std::mem::take(&mut findings.secrets);
    for mut secret in secrets {
        let hidden = secret.placement.leave_hidden();
        if !hidden.is_empty() {
            let why = format!("not declared, as there is a hidden character in it: {}", hidden.join(", "));
            let action = "declare it by hand in the imported file";
            findings.remarks.push(Remark::new(subject(tool, &secret), why, action));
        }
        let facts = &mut findings.facts;
        let result = read.entry(secret.path.clone()).or_insert_with(|| {
            let bytes = tree.read(&secret.path)?;
            facts.insert(secret.path.clone(), file_facts(&secret.form, &bytes)?);
            Ok(())
        });
        match result {
            Ok(()) => findings.secrets.push(secret),
            Err(why) => findings.remarks.push(unreadable(tool, &secret, why)),
        }
    }
}

fn unreadable(tool: Tool, secret: &FoundSecret, why: &str) -> Remark {
    let subject = subject(tool, secret);
    let why = format!("{}: {why}", secret.path.display());
    let action =
        if secret.form == FoundForm::Plain { "generate it with the other tool" } else { "restore or encrypt the file" };
    Remark::new(subject, why, format!("{action}, then import again"))
}
