//! Where a person's private keys are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use artifacts_age::{IdentityError, OpenError, Opener, Plugins, Programs, RecipientPlugins};
use artifacts_flow::Identities;
use artifacts_report::Failure;
use artifacts_seam::Secret;

use crate::environment::Environment;
use crate::global::Global;
use crate::key_command::KeyCommand;
use crate::limited_input;
use crate::person::person;

/// The largest file of identities that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// All that age plugins see of the environment, besides `PATH` without the repository.
const FOR_PLUGINS: [&str; 3] = ["HOME", "LANG", "XDG_RUNTIME_DIR"];

/// What the person said about private keys. Nothing is read before a secret is to be opened.
#[derive(Clone)]
pub struct IdentityOptions {
    /// Files that were named: each must be there.
    named: Vec<PathBuf>,
    /// What the environment gives, as sops takes it.
    given: GivenKeys,
    /// Where keys usually are.
    usual: Vec<PathBuf>,
    plugins: Plugins,
    no_input: bool,
}

/// What gives private keys.
pub enum KeyPlace<'a> {
    /// A file, or standard input for `-`.
    File(PathBuf),
    /// A variable that holds the keys themselves.
    Text(&'a Secret),
    /// A program that prints them.
    Command,
}

/// Private keys that the environment gives, as sops takes them.
#[derive(Clone, Default)]
struct GivenKeys {
    /// `$SOPS_AGE_KEY`: the keys themselves.
    text: Option<Secret>,
    /// `$SOPS_AGE_KEY_FILE`.
    file: Option<PathBuf>,
    /// `$SOPS_AGE_KEY_CMD`.
    command: Option<KeyCommand>,
}

impl GivenKeys {
    fn new(environment: &Environment, programs: &Programs) -> Self {
        Self {
            text: environment.get("SOPS_AGE_KEY").map(|keys| Secret::new(keys.as_encoded_bytes().to_vec())),
            file: environment.get("SOPS_AGE_KEY_FILE").map(PathBuf::from),
            command: environment
                .get("SOPS_AGE_KEY_CMD")
                .map(|line| KeyCommand::new(line, environment, programs.clone())),
        }
    }

    /// Whether any may be there.
    fn are_anywhere(&self) -> bool {
        self.text.is_some()
            || self.command.is_some()
            || self.file.as_ref().is_some_and(|file| limited_input::look_for(file).is_ok())
    }

    /// Adds them. One that cannot be used is no reason not to try the next, but never of no interest: a person set it.
    fn add(&self, opener: &mut Opener) {
        if let Some(text) = &self.text {
            add_content(opener, "SOPS_AGE_KEY", Ok(text.clone()));
        }
        if let Some(file) = &self.file {
            let content = limited_input::read(file, LARGEST).map_err(|error| error.to_string());
            add_content(opener, &format!("SOPS_AGE_KEY_FILE ({})", file.display()), content);
        }
        if let Some(command) = &self.command {
            add_content(opener, "SOPS_AGE_KEY_CMD", command.output(LARGEST));
        }
    }
}

impl IdentityOptions {
    /// Takes what was passed, and what the environment says. Files that are passed with `-i` are the only ones, then
    /// `$ARTIFACTS_IDENTITY`; else what sops would take and the usual files, all of them. Programs of the `repository` are not run.
    pub fn new(global: &Global, environment: &Environment, repository: Vec<PathBuf>) -> Self {
        let plugins = plugins(global, environment, repository);
        let mut named = global.identity.clone();
        if named.is_empty() {
            named.extend(environment.get("ARTIFACTS_IDENTITY").map(PathBuf::from));
        }
        let (mut given, mut usual) = (GivenKeys::default(), Vec::new());
        if named.is_empty() {
            given = GivenKeys::new(environment, &plugins.programs);
            // sops, too, looks there only where no other file is named.
            let keys = environment.config("sops/age/keys.txt").filter(|_| given.file.is_none());
            let ssh = [environment.home(".ssh/id_ed25519"), environment.home(".ssh/id_rsa")];
            usual.extend(ssh.into_iter().chain([keys]).flatten());
        }
        Self { named, given, usual, plugins, no_input: global.no_input }
    }

    /// Returns every place at which an identity is looked for, by its name, and whether it was named.
    pub fn places(&self) -> Vec<(String, KeyPlace<'_>, bool)> {
        let file = |is_named: bool| {
            move |file: &'_ PathBuf| (file.display().to_string(), KeyPlace::File(file.clone()), is_named)
        };
        let GivenKeys { text, file: given, command } = &self.given;
        let text = text.iter().map(|text| ("SOPS_AGE_KEY".to_owned(), KeyPlace::Text(text), true));
        let given = given
            .iter()
            .map(|file| (format!("SOPS_AGE_KEY_FILE ({})", file.display()), KeyPlace::File(file.clone()), true));
        let command = command.iter().map(|_| ("SOPS_AGE_KEY_CMD".to_owned(), KeyPlace::Command, true));
        let named = self.named.iter().map(file(true));
        named.chain(text).chain(given).chain(command).chain(self.usual.iter().map(file(false))).collect()
    }

    /// Returns the plugins that the admin enabled, and where programs are looked for.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// The keys, read when they are needed.
    pub fn identities(&self) -> Identities {
        let (places, source) = (self.clone(), self.clone());
        Identities::new(move || places.absence(), move || source.opener())
    }

    /// Returns what runs the plugins of recipients; they ask the person as those of identities do.
    pub fn recipient_plugins(&self) -> RecipientPlugins {
        let no_input = self.no_input;
        RecipientPlugins::new(self.plugins.clone(), move || person(no_input))
    }

    /// Returns why there is no identity, as far as their places tell: none is read, and no program is run.
    fn absence(&self) -> Result<Option<OpenError>, Failure> {
        for file in &self.named {
            limited_input::look_for(file).map_err(|error| unreadable(file, &error))?;
        }
        let is_there = |file: &PathBuf| limited_input::look_for(file).is_ok();
        if !self.named.is_empty() || self.given.are_anywhere() || self.usual.iter().any(is_there) {
            return Ok(None);
        }
        // There is nothing to be read or run.
        Ok(self.opener()?.without_identity())
    }

    fn opener(&self) -> Result<Opener, Failure> {
        let mut opener = Opener::new(person(self.no_input), self.plugins.clone());
        for file in &self.named {
            let name = file.display().to_string();
            let content = limited_input::read(file, LARGEST).map_err(|error| unreadable(file, &error))?;
            if let Err(error) = opener.add(&name, &content) {
                // The only one, as far as is known: it is what the person has to hear about.
                if self.named.len() == 1 {
                    return Err(Failure::from(error));
                }
                opener.leave_out(error);
            }
        }
        self.given.add(&mut opener);
        for file in &self.usual {
            add(&mut opener, file);
        }
        Ok(opener)
    }
}

/// A file that was named and cannot be read.
fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(file.display().to_string(), format!("cannot read the private key: {error}"))
        .hint(Some("pass an SSH private key such as ~/.ssh/id_ed25519, or a file written by `age-keygen`"))
}

/// Adds a file of a usual place. One that cannot be used is no reason not to try the next, and of no interest if that does.
fn add(opener: &mut Opener, file: &Path) {
    let name = file.display().to_string();
    match limited_input::read(file, LARGEST) {
        Err(_) if !file.exists() => opener.searched(name),
        content => add_content(opener, &name, content.map_err(|error| error.to_string())),
    }
}

/// Adds the content of a usual place or of a variable.
fn add_content(opener: &mut Opener, name: &str, content: Result<Secret, String>) {
    let added = match content {
        Ok(content) => opener.add(name, &content),
        Err(why) => Err(IdentityError::Unreadable { name: name.to_owned(), why }),
    };
    if let Err(error) = added {
        opener.leave_out(error);
    }
}

/// Returns the plugins that the person allows. Programs of the `repository` are none.
pub fn plugins(global: &Global, environment: &Environment, repository: Vec<PathBuf>) -> Plugins {
    let mut allowed = global.age_plugin.clone();
    if allowed.is_empty()
        && let Some(names) = environment.get("ARTIFACTS_AGE_PLUGINS").and_then(std::ffi::OsStr::to_str)
    {
        allowed.extend(names.split(',').map(|name| name.trim().to_owned()));
    }
    let programs = Programs::new(environment.search_path(), repository);
    let see = |name: &str| Some((OsString::from(name), environment.get(name)?.to_owned()));
    let path = (OsString::from("PATH"), programs.search_path());
    Plugins {
        allowed: allowed.into_iter().collect(),
        environment: FOR_PLUGINS.into_iter().filter_map(see).chain([path]).collect(),
        programs,
        ..Plugins::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser as _;

    use super::*;
    use crate::commands::Cli;

    /// What the environment gives, with no home but an empty one.
    fn options(home: &Path, variables: &[(&str, &Path)]) -> IdentityOptions {
        let home = ("HOME".into(), home.into());
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), value.as_os_str().to_owned()));
        let global = Cli::parse_from(["artifacts", "status"]).global;
        IdentityOptions::new(&global, &Environment::of(variables.chain([home])), Vec::new())
    }

    #[test]
    fn whether_there_is_an_identity_is_told_without_reading_any_or_running_a_program() {
        let home = tempfile::tempdir().unwrap();
        let (pipe, missing) = (home.path().join("pipe"), home.path().join("missing"));
        // Whoever opens it waits for someone who writes to it.
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let absence = |variables: &[(&str, &Path)]| options(home.path(), variables).absence().map(|why| why.is_some());
        let command = format!("/usr/bin/touch {}", missing.display());
        for (name, value, is_absent) in [
            ("SOPS_AGE_KEY_CMD", Path::new(&command), Ok(false)),
            ("SOPS_AGE_KEY", Path::new("AGE-SECRET-KEY-1"), Ok(false)),
            ("SOPS_AGE_KEY_FILE", &pipe, Ok(false)),
            ("SOPS_AGE_KEY_FILE", &missing, Ok(true)),
            ("ARTIFACTS_IDENTITY", &pipe, Ok(false)),
            ("ARTIFACTS_IDENTITY", Path::new("-"), Ok(false)),
            ("LANG", Path::new("C"), Ok(true)),
        ] {
            assert_eq!(absence(&[(name, value)]), is_absent, "{name}={}", value.display());
        }
        let named = absence(&[("ARTIFACTS_IDENTITY", &missing)]).unwrap_err();
        assert!(named.message.starts_with("cannot read the private key: "), "{named:?}");
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        std::fs::rename(&pipe, home.path().join(".ssh/id_ed25519")).unwrap();
        assert_eq!(absence(&[]), Ok(false));
        assert!(!missing.exists(), "no program was run");
    }

    #[test]
    fn no_plugin_of_the_repository_is_run_nor_found_by_one() {
        let (repository, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let its = repository.path().join("age-plugin-its");
        std::fs::write(&its, "").unwrap();
        std::os::unix::fs::symlink(&its, bin.path().join("age-plugin-its")).unwrap();
        std::fs::write(bin.path().join("age-plugin-mine"), "").unwrap();
        let path = std::env::join_paths([repository.path(), bin.path()]).unwrap();
        let environment = Environment::of([("PATH".into(), path), ("A_TOKEN".into(), "x".into())]);
        let global = Cli::try_parse_from(["artifacts", "status"]).unwrap().global;
        let plugins = plugins(&global, &environment, vec![repository.path().canonicalize().unwrap()]);
        assert_eq!(plugins.program("its"), None);
        assert_eq!(plugins.program("mine"), Some(bin.path().join("age-plugin-mine")));
        assert_eq!(plugins.environment, [("PATH".into(), bin.path().into())]);
    }
}
