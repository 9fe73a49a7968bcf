use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use artifacts_declared::Name;
use artifacts_nix::{Evaluation, Flake, Nix, NixOptions};
use artifacts_tests::nix::{Inputs, environment, git, program};

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A machine that imports the module, with more modules.
pub fn machine(name: &str, modules: &str) -> String {
    format!(
        r#"
        nixosConfigurations."{name}" = nixpkgs.lib.nixosSystem {{ modules = [
          inputs.artifacts.nixosModules.default
          {{ nixpkgs.hostPlatform = nixpkgs.lib.mkDefault "x86_64-linux"; networking.hostName = nixpkgs.lib.mkDefault "{name}";
            artifacts.root = nixpkgs.lib.mkDefault ./.; artifacts.default.backend = nixpkgs.lib.mkDefault "agenix"; }}
          {modules}
        ]; }};"#
    )
}

/// A directory with a flake, and a Nix.
pub struct Bench {
    _temporary: tempfile::TempDir,
    dir: PathBuf,
    inputs: Inputs,
    nix: std::sync::OnceLock<Nix>,
    pub options: NixOptions,
}

impl Bench {
    pub fn new() -> Self {
        Self::named("flake")
    }

    pub fn named(name: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().canonicalize().unwrap().join(name);
        fs::create_dir(&dir).unwrap();
        let options = NixOptions {
            jobs: NonZeroUsize::new(2).unwrap(),
            system: Some("x86_64-linux".to_owned()),
            ..NixOptions::default()
        };
        Self { _temporary: temporary, dir, inputs: Inputs::new().unwrap(), nix: std::sync::OnceLock::new(), options }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Writes and locks the flake with these outputs.
    pub fn flake(&self, outputs: &str) {
        self.flake_with("", outputs, true);
    }

    pub fn flake_with(&self, inputs: &str, outputs: &str, lock: bool) {
        let outputs = format!("inputs: let inherit (inputs) nixpkgs; in {{ {outputs} }}");
        let result = self.inputs.flake_with(&self.dir, inputs, &outputs);
        if lock {
            result.unwrap();
        }
    }

    pub fn write(&self, file: &str, content: &str) {
        let file = self.dir.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    pub fn nix(&self) -> &Nix {
        self.nix.get_or_init(|| Nix::new(None, environment().unwrap(), self.options.clone()))
    }

    pub fn reference(&self) -> String {
        self.dir.display().to_string()
    }

    pub fn flake_ref(&self) -> Flake<'_> {
        self.nix().flake(&self.reference()).unwrap()
    }

    pub fn evaluate(&self) -> Evaluation {
        let flake = self.flake_ref();
        flake.evaluate(flake.targets()).unwrap()
    }

    /// The flake's source in the store.
    pub fn source(&self) -> PathBuf {
        self.flake_ref().source().to_owned()
    }

    /// A string that an attribute is.
    pub fn eval(&self, attribute: &str) -> String {
        self.try_eval(attribute).unwrap()
    }

    pub fn try_eval(&self, attribute: &str) -> anyhow::Result<String> {
        artifacts_tests::nix::nix(&self.dir, &["eval", "--raw", &format!(".#{attribute}")])
    }

    pub fn eval_json(&self, attribute: &str, function: &str) -> serde_json::Value {
        let arguments = ["eval", "--json", &format!(".#{attribute}"), "--apply", function];
        let text = artifacts_tests::nix::nix(&self.dir, &arguments).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub fn commit(&self) {
        if !self.dir.join(".git").exists() {
            git(&self.dir, &["init", "-q"]).unwrap();
        }
        git(&self.dir, &["add", "-A"]).unwrap();
        git(&self.dir, &["commit", "-qm", "x"]).unwrap();
    }
}

pub fn make_executable(file: &Path) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn is_executable(file: &Path) -> bool {
    file.metadata().unwrap().permissions().mode() & 0o111 != 0
}

/// Whether a Nix has git bring the submodules of a checkout; from 2.20 on, it reads them itself.
pub fn runs_git_for_submodules(nix: &Nix) -> bool {
    let version = nix.version().unwrap();
    let mut numbers = version.rsplit(' ').next().unwrap().split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap()) < (2, 20)
}

/// A `nix` that is a shell script, besides the real one as `$nix`.
pub fn fake(dir: &Path, script: &str) -> PathBuf {
    let nix = program("nix").unwrap();
    let file = dir.join("nix");
    artifacts_tests::script::write(&file, format!("#!/bin/sh\nnix={}\n{script}\n", nix.display())).unwrap();
    file
}
