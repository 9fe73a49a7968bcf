//! Where a person's private keys are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use artifacts_age::{IdentityError, Opener, Plugins};
use artifacts_flow::Identities;
use artifacts_report::Failure;

use crate::environment::Environment;
use crate::global::Global;
use crate::limited_input;
use crate::person::person;

/// The largest file of identities that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// All that age plugins see of the environment.
const FOR_PLUGINS: [&str; 4] = ["PATH", "HOME", "LANG", "XDG_RUNTIME_DIR"];

/// What the person said about private keys. Nothing is read before a secret is to be opened.
#[derive(Clone)]
pub struct IdentityOptions {
    /// Files that were named: each must be there.
    named: Vec<PathBuf>,
    /// Where keys usually are.
    usual: Vec<PathBuf>,
    plugins: Plugins,
    no_input: bool,
}

impl IdentityOptions {
    pub fn new(global: &Global, environment: &Environment) -> Self {
        let mut named = global.identity.clone();
        if named.is_empty() {
            named.extend(environment.get("ARTIFACTS_IDENTITY").map(PathBuf::from));
        }
        let usual = [
            environment.home(".ssh/id_ed25519"),
            environment.home(".ssh/id_rsa"),
            environment.config("sops/age/keys.txt"),
        ];
        let usual = if named.is_empty() { usual.into_iter().flatten().collect() } else { Vec::new() };
        Self { named, usual, plugins: plugins(global, environment), no_input: global.no_input }
    }

    /// The keys, read when they are needed.
    pub fn identities(&self) -> Identities {
        let source = self.clone();
        Identities::new(move || source.opener())
    }

    fn opener(&self) -> Result<Opener, Failure> {
        let mut opener = Opener::new(person(self.no_input), self.plugins.clone());
        for file in &self.named {
            let name = file.display().to_string();
            let content = limited_input::read(file, LARGEST).map_err(|e| {
                Failure::new(name.clone(), format!("cannot read the private key: {e}"))
                    .hint(Some("pass an SSH private key such as ~/.ssh/id_ed25519, or a file written by `age-keygen`"))
            })?;
            if let Err(error) = opener.add(&name, &content) {
                // The only one, as far as is known: it is what the person has to hear about.
                if self.named.len() == 1 {
                    return Err(Failure::from(error));
                }
                opener.leave_out(error);
            }
        }
        for file in &self.usual {
            add(&mut opener, file);
        }
        Ok(opener)
    }
}

/// Adds a file of a usual place. One that cannot be used is no reason not to try the next, and of no interest if that does.
fn add(opener: &mut Opener, file: &Path) {
    let name = file.display().to_string();
    opener.searched(name.clone());
    let added = match limited_input::read(file, LARGEST) {
        Ok(content) => opener.add(&name, &content),
        Err(_) if !file.exists() => Ok(()),
        Err(error) => Err(IdentityError::Unreadable { name, why: error.to_string() }),
    };
    if let Err(error) = added {
        opener.leave_out(error);
    }
}

fn plugins(global: &Global, environment: &Environment) -> Plugins {
    let mut allowed = global.age_plugin.clone();
    if allowed.is_empty()
        && let Some(names) = environment.get("ARTIFACTS_AGE_PLUGINS").and_then(std::ffi::OsStr::to_str)
    {
        allowed.extend(names.split(',').map(|name| name.trim().to_owned()));
    }
    let see = |name: &str| Some((OsString::from(name), environment.get(name)?.to_owned()));
    Plugins {
        allowed: allowed.into_iter().collect(),
        dirs: std::env::split_paths(environment.search_path()).filter(|dir| dir.is_absolute()).collect(),
        environment: FOR_PLUGINS.into_iter().filter_map(see).collect(),
    }
}
