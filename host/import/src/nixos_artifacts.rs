//! nixos-artifacts, whose declarations and files are ours: what is stored needs another name at most, or a receipt.

use std::path::Path;

use artifacts_declared::{DEFAULT_STORAGE, InstanceName, Name, TargetId, TargetKind};
use artifacts_text::shell_word;

use crate::{ForeignConfiguration, Remark, Tree};

/// Name of the file that an entry of ours has besides.
const RECEIPT: &str = "receipt.json";

/// Says what to do about each entry of one target that is not ours yet. Other commands do it.
pub fn find(configuration: &ForeignConfiguration, tree: &dyn Tree, remarks: &mut Vec<Remark>) {
    let own = configuration.data.declared.iter().filter(|(_, declared)| !declared.shared);
    for artifact in own.filter_map(|(name, _)| name.parse::<Name>().ok()) {
        let TargetId { kind, name } = &configuration.id;
        let instance = InstanceName::new(*kind, name.clone(), artifact.clone());
        let stored = stored(&instance, tree);
        let former = (*kind == TargetKind::HomeManager).then(|| name.as_str().split_once('@')).flatten();
        let former = former.and_then(|(user, _)| user.parse().ok());
        let former = former.map(|user| InstanceName::User { target: user, artifact });
        if stored.iter().any(|file| file == RECEIPT) {
            continue;
        }
        let (why, action) = match former.filter(|former| stored.is_empty() && !self::stored(former, tree).is_empty()) {
            Some(former) => {
                let places = [&former, &instance].map(|name| shell_word(&format!("{DEFAULT_STORAGE}/{name}")));
                let dir = format!("{DEFAULT_STORAGE}/per-user/{name}");
                let [old, new] = places;
                let moved = format!("`mkdir -p {} && git mv {old} {new}`", shell_word(&dir));
                (format!("it is stored as {former}"), format!("{moved}, then {}", adopt(&instance)))
            }
            None if stored.is_empty() => continue,
            None => (
                "it is stored without a receipt".to_owned(),
                format!("`artifacts adopt {}`", shell_word(&instance.to_string())),
            ),
        };
        remarks.push(Remark::new(instance.short(), why, action));
    }
}

/// Returns the names of the files of an entry.
fn stored(instance: &InstanceName, tree: &dyn Tree) -> Vec<String> {
    let files = tree.list(&Path::new(DEFAULT_STORAGE).join(instance.to_string()));
    files.iter().filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect()
}

fn adopt(instance: &InstanceName) -> String {
    format!("`artifacts adopt {}`", shell_word(&instance.to_string()))
}
