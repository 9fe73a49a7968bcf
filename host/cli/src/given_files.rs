//! Files and values that a command is given: decrypted into RAM for as long as it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::str::FromStr;

use artifacts_declared::{InstanceName, Name};
use artifacts_flow::{FileSelection, Run};
use artifacts_plan::Selector;
use artifacts_ram::{PrivateDir, Ram, make_or_open_dir, write_new};
use artifacts_report::Failure;
use artifacts_seam::Secret;

use crate::environment::Environment;
use crate::exit::Exit;
use crate::instance_file::{FileUse, InstanceFile};
use crate::signals;

/// The variable that has the path of the directory with the files.
const DIR: &str = "ARTIFACTS_DIR";

/// A variable of the environment, and the file whose value it gets.
#[derive(Debug, Clone)]
pub struct FileVariable {
    variable: String,
    file: InstanceFile,
}

impl FromStr for FileVariable {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (variable, file) = text.split_once('=').ok_or("expected VAR=INSTANCE/FILE")?;
        let is_name = |letter: char| letter == '_' || letter.is_ascii_alphanumeric();
        if !variable.starts_with(|first: char| is_name(first) && !first.is_ascii_digit())
            || !variable.chars().all(is_name)
        {
            return Err("the name of a variable has letters, digits and `_`, and does not begin with a digit");
        }
        Ok(Self { variable: variable.to_owned(), file: InstanceFile::named(file) })
    }
}

/// Holds what a command is given.
pub struct GivenFiles {
    files: BTreeMap<InstanceName, BTreeMap<Name, Secret>>,
    variables: Vec<(String, Secret)>,
}

/// Returns what is evaluated for these selectors and variables.
pub fn evaluated(selectors: &[Selector], variables: &[FileVariable]) -> Vec<Selector> {
    selectors.iter().cloned().chain(variables.iter().flat_map(|one| one.file.selectors(FileUse::Read))).collect()
}

impl GivenFiles {
    /// Decrypts all files of the selected instances, and those of the variables: all of them or none.
    pub fn read(run: &mut Run, selectors: &[Selector], variables: &[FileVariable]) -> Result<Self, Vec<Failure>> {
        let mut named = Vec::new();
        for FileVariable { variable, file } in variables {
            named.push((variable.clone(), file.resolve(run, FileUse::Read)?));
        }
        let mut wanted = FileSelection::new();
        // No selector means all, but not where a variable says what is meant.
        let chosen = if selectors.is_empty() { BTreeSet::new() } else { selected(run, selectors)? };
        for name in &chosen {
            let files = run.instances().get(name).into_iter().flat_map(|one| one.artifact.files.keys().cloned());
            wanted.insert(name.clone(), files.collect());
        }
        for (_, (instance, file)) in &named {
            let files = wanted.entry(instance.clone()).or_default();
            if !files.contains(file) {
                files.push(file.clone());
            }
        }
        let mut files = BTreeMap::new();
        let mut failures = Vec::new();
        for (name, read) in run.read(&wanted) {
            match read {
                Ok(read) => drop(files.insert(name, read.files)),
                Err(failure) => failures.push(failure),
            }
        }
        let mut values = Vec::new();
        for (variable, (instance, file)) in named {
            let value = files.get(&instance).and_then(|files| files.get(&file));
            match value.map(|value| text_value(&instance, &file, value)) {
                Some(Ok(value)) => values.push((variable, value)),
                Some(Err(failure)) => failures.push(failure),
                None => {}
            }
        }
        files.retain(|name, _| chosen.contains(name));
        if failures.is_empty() { Ok(Self { files, variables: values }) } else { Err(failures) }
    }

    /// Writes the files below a directory in RAM, each at `<instance>/<file>`.
    pub fn write(&self, ram: &Ram) -> Result<PrivateDir, Failure> {
        let dir = ram.private_dir().map_err(Failure::from)?;
        let places = places(self.files.keys());
        for (name, files) in &self.files {
            let failed = |why: String| Failure::new(name.to_string(), format!("cannot write it into RAM: {why}"));
            let mut here = dir.dir().try_clone_to_owned().map_err(|error| failed(error.to_string()))?;
            for part in places.get(name).into_iter().flatten() {
                here = make_or_open_dir(&here, part).map_err(|error| failed(error.to_string()))?.0;
            }
            for (file, value) in files {
                write_new(&here, file.as_str(), value.expose(), 0o400).map_err(|error| failed(error.to_string()))?;
            }
        }
        Ok(dir)
    }

    /// Runs the command with the directory and the variables, and returns its exit status. It sees no variable that leads to a
    /// private key.
    pub fn run(self, words: &[OsString], dir: &PrivateDir, environment: &Environment) -> Result<Exit, (Failure, Exit)> {
        let program = words.first().map_or(OsStr::new(""), OsString::as_os_str);
        let mut command = Command::new(program);
        command.args(words.get(1..).unwrap_or_default());
        command.env_clear().envs(environment.variables().iter().cloned()).env(DIR, dir.path());
        for (variable, value) in &self.variables {
            command.env(variable, OsStr::from_bytes(value.expose()));
        }
        drop(self);
        signals::run(&mut command).map(status).map_err(|error| {
            let status = if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
            let failure = Failure::new(program.to_string_lossy(), format!("cannot run the command: {error}"));
            (failure, Exit::from(status))
        })
    }
}

/// The selected instances; errors of selectors and declarations are all errors here.
fn selected(run: &Run, selectors: &[Selector]) -> Result<BTreeSet<InstanceName>, Vec<Failure>> {
    let selection = run.select(selectors);
    if selection.errors().is_empty() { Ok(selection.names().clone()) } else { Err(selection.errors().to_vec()) }
}

/// A value as an environment variable can have it: without the newline at its end.
fn text_value(instance: &InstanceName, file: &Name, value: &Secret) -> Result<Secret, Failure> {
    let bytes = value.expose();
    if bytes.contains(&0) {
        let why = format!("`{file}` contains a NUL byte, which no environment variable can have");
        return Err(
            Failure::new(instance.to_string(), why).hint(Some("pass its instance as a selector: then it is a file"))
        );
    }
    Ok(Secret::new(bytes.strip_suffix(b"\n").unwrap_or(bytes).to_vec()))
}

/// The directory of each instance: its short name, or its full name where two have the same short one.
fn places<'a>(names: impl Iterator<Item = &'a InstanceName>) -> BTreeMap<&'a InstanceName, Vec<&'a str>> {
    let short = |name: &'a InstanceName| {
        let all = name.components();
        all.get(all.len().saturating_sub(2)..).unwrap_or_default().to_vec()
    };
    let mut by_short: BTreeMap<Vec<&str>, Vec<&InstanceName>> = BTreeMap::new();
    for name in names {
        by_short.entry(short(name)).or_default().push(name);
    }
    let mut places = BTreeMap::new();
    for (place, names) in by_short {
        let is_one = names.len() == 1;
        places.extend(names.into_iter().map(|name| (name, if is_one { place.clone() } else { name.components() })));
    }
    places
}

/// The exit status of a command, as a shell has it.
fn status(status: ExitStatus) -> Exit {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Exit::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn name(text: &str) -> InstanceName {
        text.parse().unwrap()
    }

    #[test]
    fn a_value_has_no_nul_and_not_the_newline_at_its_end() {
        let of = |bytes: &[u8]| {
            let file = Name::new("f").unwrap();
            text_value(&name("shared/a"), &file, &Secret::new(bytes.to_vec())).map(|value| value.expose().to_vec())
        };
        assert_eq!(of(b"a\n").unwrap(), b"a");
        assert_eq!(of(b"a\n\n").unwrap(), b"a\n");
        assert_eq!(of(b"\xff").unwrap(), b"\xff");
        assert_eq!(of(b"").unwrap(), b"");
        assert!(of(b"a\0b").unwrap_err().message.contains("NUL"));
    }

    #[test]
    fn files_are_below_short_names_where_these_are_of_one_instance() {
        let all = [
            "per-machine/web1/a",
            "per-user/web1/a",
            "per-machine/web2/a",
            "per-machine/shared/ca",
            "shared/ca",
            "shared/b",
        ];
        let names = all.map(name);
        let places = places(names.iter());
        let place = |at: usize| places[&names[at]].join("/");
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(place),
            ["per-machine/web1/a", "per-user/web1/a", "web2/a", "per-machine/shared/ca", "shared/ca", "shared/b"]
        );
    }

    #[test]
    fn a_variable_is_named_as_a_shell_can() {
        for good in ["A=web1/a/f", "_x9=a", "A=b=c"] {
            assert!(good.parse::<FileVariable>().is_ok(), "{good}");
        }
        for bad in ["", "A", "=a/f", "1A=a/f", "A B=a", "A-B=a", "\u{e9}=a"] {
            assert!(bad.parse::<FileVariable>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_exit_status_is_that_of_the_command() {
        assert_eq!(status(ExitStatus::from_raw(7 << 8)), Exit::from(7));
        assert_eq!(status(ExitStatus::from_raw(9)), Exit::from(137));
    }
}
