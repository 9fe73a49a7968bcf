use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Bench;
use crate::run;

/// Instances, all present: one was made by the program, the others are copies of it under other names.
pub struct Fixture<'a> {
    bench: &'a Bench,
    folder: tempfile::TempDir,
}

impl<'a> Fixture<'a> {
    /// So many machines with so many artifacts each, of two files and three readers. One is made, the others are copies.
    ///
    /// # Errors
    /// When the program cannot make the first one.
    pub fn new(bench: &'a Bench, machines: usize, artifacts: usize) -> Result<Self> {
        let fixture = Self::generated(bench, 1, 1)?;
        fixture.copy(machines, artifacts)?;
        fixture.declare(machines, artifacts, &bench.readers)?;
        Ok(fixture)
    }

    /// The same, each made by itself: what lies with two instances is not read back.
    ///
    /// # Errors
    /// When the program cannot make them.
    pub fn generated(bench: &'a Bench, machines: usize, artifacts: usize) -> Result<Self> {
        let fixture = Self { bench, folder: tempfile::tempdir()? };
        let generator = fixture.path("generator");
        fs::write(&generator, "#!/bin/sh\nprintf one > \"$out/one\"\nprintf two > \"$out/two\"\n")?;
        fs::set_permissions(&generator, fs::Permissions::from_mode(0o755))?;
        fs::write(fixture.identity(), &bench.identity)?;
        fixture.declare(machines, artifacts, &bench.readers)?;
        let mut generate = fixture.artifacts();
        run::done(
            generate
                .args(["--no-sync", "--accept-recipients", "generate", "--no-input", "--jobs", "2"])
                .stdout(Stdio::null()),
        )?;
        Ok(fixture)
    }

    /// Declares other readers for all from now on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn declare(&self, machines: usize, artifacts: usize, readers: &[String; 3]) -> Result<()> {
        self.write("spec.json", &self.spec(machines, artifacts, readers))
    }

    /// The private key of the second reader.
    pub fn identity(&self) -> PathBuf {
        self.path("identity")
    }

    /// Where a stored file of the first instance lies.
    pub fn stored(&self) -> PathBuf {
        self.path("secrets/per-machine").join(machine_name(0)).join(artifact_name(0)).join("one.age")
    }

    /// `artifacts --spec …`, ready for a command.
    pub fn artifacts(&self) -> Command {
        let mut command = run::command(&self.bench.program);
        command.arg("--spec").arg(self.path("spec.json")).current_dir(self.folder.path()).env_clear();
        command.env("HOME", self.folder.path()).envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }

    fn spec(&self, machines: usize, artifacts: usize, [host, one, two]: &[String; 3]) -> Value {
        let artifact = json!({
            "backend": "agenix",
            "files": { "one": {}, "two": {} },
            "generator": { "path": self.path("generator") },
        });
        let artifacts: Value = (0..artifacts).map(|number| (artifact_name(number), artifact.clone())).collect();
        let targets = (0..machines).map(|number| {
            json!({
                "kind": "nixos",
                "name": machine_name(number),
                "config": { "agenix": { "publicHostKey": host, "publicUserKeys": [one, two] } },
                "artifacts": artifacts,
            })
        });
        json!({ "schema": 1, "targets": targets.collect::<Vec<_>>() })
    }

    fn copy(&self, machines: usize, artifacts: usize) -> Result<()> {
        let storage = self.path("secrets/per-machine");
        let first = storage.join(machine_name(0)).join(artifact_name(0));
        let receipt = fs::read_to_string(first.join("receipt.json")).context("the first instance has no receipt")?;
        let receipt: Value = serde_json::from_str(&receipt)?;
        let sealed = ["one.age", "two.age"].map(|name| fs::read(first.join(name)).map(|bytes| (name, bytes)));
        let [one, two] = sealed;
        let sealed = [one?, two?];
        for machine in (0..machines).map(machine_name) {
            for artifact in (0..artifacts).map(artifact_name) {
                let slice = storage.join(&machine).join(&artifact);
                if slice == first {
                    continue;
                }
                fs::create_dir_all(&slice)?;
                for (name, bytes) in &sealed {
                    fs::write(slice.join(name), bytes)?;
                }
                let mut receipt = receipt.clone();
                receipt["instance"] = json!(format!("per-machine/{machine}/{artifact}"));
                receipt["targets"][0]["name"] = json!(machine);
                fs::write(slice.join("receipt.json"), serde_json::to_vec_pretty(&receipt)?)?;
            }
        }
        Ok(())
    }

    /// Runs `status`, which must find all present. What it says on stderr with `-v`.
    ///
    /// # Errors
    /// When it does not.
    pub fn status(&self) -> Result<String> {
        let output = self.artifacts().args(["-v", "status"]).output()?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "not all is present: {}\n{words}", output.status);
        Ok(words)
    }

    fn write(&self, name: &str, value: &Value) -> Result<()> {
        Ok(fs::write(self.path(name), value.to_string())?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn machine_name(number: usize) -> String {
    format!("m{number:03}")
}

fn artifact_name(number: usize) -> String {
    format!("a{number:03}")
}
