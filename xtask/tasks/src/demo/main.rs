//! The main job, shown and checked: a flake with two machines and a user, in a fresh checkout with fresh keys.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use artifacts_tests::nix::{Inputs, environment, git};
use xtask::{project, run, sops};

/// What a person would type at the prompts, one for each machine.
const ANSWERS: [(&str, &str); 2] = [("web1", "correct horse battery staple"), ("web2", "Tr0ub4dor & 3 ✓")];

/// Takes the program as it was built through the main job. Fails when a step fails, age or sops reads something else than was
/// stored, the second run writes, or the checkout is left dirty.
fn main() -> Result<()> {
    Demo::new(project::quick().join("artifacts"))?.show()?;
    println!("\nAll of it holds: what age and sops decrypt is what was made, and a second run had nothing left to do.");
    Ok(())
}

struct Demo {
    program: PathBuf,
    dir: tempfile::TempDir,
    /// What the program and Nix are run with.
    environment: Vec<(OsString, OsString)>,
}

impl Demo {
    /// A checkout of the demo's flake, with keys beside it.
    fn new(program: PathBuf) -> Result<Self> {
        let demo = Self { program, dir: tempfile::tempdir()?, environment: environment()? };
        let mut public = BTreeMap::new();
        for name in ["web1", "web2", "alice"] {
            let comment = format!("root@{name}");
            let mut keygen = run::command("ssh-keygen");
            run::done(keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", &comment, "-f"]).arg(demo.key(name)))?;
            let text = fs::read_to_string(demo.key(name).with_extension("pub"))?;
            public.insert(name, text.trim().to_owned());
        }
        let admin = run::output(
            run::command("age-keygen").arg("-o").arg(demo.key("admin")).stderr(std::process::Stdio::null()),
        )
        .and_then(|_| run::output(run::command("age-keygen").arg("-y").arg(demo.key("admin"))))?;
        let keys = [&public["web1"], &public["web2"], &public["alice"], &admin];
        Inputs::new()?.demo(&demo.checkout(), keys.map(String::as_str))?;
        for arguments in
            [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "Declare two machines and a user"]]
        {
            git(&demo.checkout(), arguments)?;
        }
        Ok(demo)
    }

    fn show(&self) -> Result<()> {
        println!("\nA flake declares two machines, web1 and web2, and a user, alice. Nothing is made yet:");
        self.artifacts(&["status"], 3)?;

        let answers = self.dir.path().join("answers.toml");
        let [one, two] =
            ANSWERS.map(|(machine, answer)| format!("[\"per-machine/{machine}/test\"]\ntest = \"{answer}\"\n"));
        fs::write(&answers, one + &two)?;
        println!("\nMake what is absent; the questions are answered from a file:");
        self.artifacts(&["generate", "--accept-recipients", "--answers", &answers.to_string_lossy()], 0)?;

        println!("\nWhat the checkout has now:");
        self.only_secrets_are_new()?;
        println!("\nEach machine's own key opens what is its own, with age's and sops' own programs:");
        self.they_agree()?;

        println!("\nAgain, with nothing to ask and nothing to do:");
        let before = self.snapshot()?;
        self.artifacts(&["generate", "--no-input"], 0)?;
        self.artifacts(&["status"], 0)?;
        let after = self.snapshot()?;
        ensure!(before == after, "the second run wrote: {}", difference(&before, &after));
        self.only_secrets_are_new()
    }

    /// Runs the program in the checkout and shows it.
    fn artifacts(&self, arguments: &[&str], expected: i32) -> Result<()> {
        println!("$ artifacts {}", arguments.join(" "));
        let status = self.program(arguments).status().context("the program cannot be run")?;
        ensure!(status.code() == Some(expected), "expected exit status {expected}, found {status}");
        Ok(())
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = run::command(&self.program);
        command.args(arguments).current_dir(self.checkout()).env_clear().envs(self.environment.iter().cloned());
        command
    }

    /// Every path that git sees as new or changed is a secret's, and staged.
    fn only_secrets_are_new(&self) -> Result<()> {
        let status = git(&self.checkout(), &["status", "--porcelain", "--untracked-files=all"])?;
        for line in status.lines() {
            let path = line.get(3..).unwrap_or_default();
            ensure!(path.starts_with("secrets/") && line.starts_with("A  "), "the checkout is left dirty: {line}");
            println!("  {path}");
        }
        ensure!(!status.is_empty(), "nothing was stored");
        Ok(())
    }

    /// Decrypts all with Debian's age and with sops, and sees that nobody else's key does.
    fn they_agree(&self) -> Result<()> {
        for (machine, answer) in ANSWERS {
            let file = format!("per-machine/{machine}/test/secret.age");
            let secret = self.decrypt(machine, &file)?.context("the machine's own key does not open it")?;
            ensure!(secret == answer, "{file}: age gives other bytes than were typed");
            println!("  {file} is what was typed");
            let instance = format!("per-machine/{machine}/attic");
            let env = self.get(machine, &instance, "env")?.context("the machine's own key does not open it")?;
            ensure!(
                env == self.sops(&format!("{instance}/env.sops"))?,
                "{instance}: sops gives other bytes than `get`"
            );
            ensure!(
                env.starts_with("ATTIC_SERVER_TOKEN_RS256_SECRET_BASE64=LS0tLS1CRUdJTi"),
                "{instance}: `env` is no key of openssl's"
            );
            println!("  {instance}/env.sops is an RSA key, for sops with the admin's key as for `artifacts get`");
        }
        let tokens = ["web1", "web2"].map(|machine| self.decrypt(machine, "shared/cluster/token.age"));
        let [Some(one), Some(two)] = tokens.map(|token| token.ok().flatten()) else {
            bail!("shared/cluster/token.age: not both machines can read it")
        };
        ensure!(one == two && one.trim().len() == 64, "shared/cluster/token.age: not the same token for both machines");
        println!("  shared/cluster/token.age is one token for both");
        ensure!(self.decrypt("alice", "per-user/alice/mail/password.age")?.is_some(), "alice cannot read her password");
        println!("  per-user/alice/mail/password.age is alice's");
        ensure!(self.decrypt("admin", "per-machine/web1/test/secret.age")?.is_some(), "the admin cannot read web1's");
        let instance = "per-machine/web1/attic";
        ensure!(self.get("web2", instance, "env")?.is_none(), "{instance} opens with the key of web2");
        println!("  {instance}/env.sops stays closed to web2");
        for (stranger, file) in [
            ("web2", "per-machine/web1/test/secret.age"),
            ("alice", "shared/cluster/token.age"),
            ("web1", "per-user/alice/mail/password.age"),
        ] {
            ensure!(self.decrypt(stranger, file)?.is_none(), "{file} opens with the key of {stranger}");
            println!("  {file} stays closed to {stranger}");
        }
        Ok(())
    }

    /// What sops makes of a stored file with the admin's key.
    fn sops(&self, file: &str) -> Result<String> {
        let mut sops = run::command(sops::program());
        sops.args(["--disable-version-check", "decrypt"]).arg(self.stored(file)?).env_clear();
        let output = sops.env("SOPS_AGE_KEY_FILE", self.key("admin")).output().context("sops cannot be run")?;
        ensure!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What the program itself reads back with a machine's key, or nothing when the key does not open it.
    fn get(&self, key: &str, instance: &str, file: &str) -> Result<Option<String>> {
        let mut command = self.program(&["get", instance, file, "-i"]);
        let output = command.arg(self.key(key)).output().context("the program cannot be run")?;
        match output.status.code() {
            Some(0) => Ok(Some(String::from_utf8(output.stdout)?)),
            Some(1) if String::from_utf8_lossy(&output.stderr).contains("no identity can decrypt it") => Ok(None),
            _ => bail!("`artifacts get {instance} {file}`: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// A stored file's plaintext, or nothing when the key does not open it.
    fn decrypt(&self, key: &str, file: &str) -> Result<Option<String>> {
        let path = self.stored(file)?;
        let mut age = Command::new("age");
        let output =
            age.arg("--decrypt").arg("-i").arg(self.key(key)).arg(&path).output().context("age cannot be run")?;
        Ok(if output.status.success() { Some(String::from_utf8(output.stdout)?) } else { None })
    }

    /// What tells whether anything in the checkout was written; git's own directory aside, which Nix refreshes.
    fn snapshot(&self) -> Result<Snapshot> {
        let mut snapshot = Snapshot::new();
        look(&self.checkout(), &mut snapshot)?;
        Ok(snapshot)
    }

    /// A stored file.
    fn stored(&self, file: &str) -> Result<PathBuf> {
        let path = self.checkout().join("secrets").join(file);
        ensure!(path.is_file(), "{file} was not stored");
        Ok(path)
    }

    fn checkout(&self) -> PathBuf {
        self.dir.path().join("checkout")
    }

    fn key(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Each path with its inode and times of change.
type Snapshot = BTreeMap<PathBuf, (u64, i64, i64)>;

fn look(dir: &Path, snapshot: &mut Snapshot) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        if entry.file_name() == ".git" {
            continue;
        }
        snapshot.insert(entry.path(), (meta.ino(), meta.ctime(), meta.ctime_nsec()));
        if meta.is_dir() {
            look(&entry.path(), snapshot)?;
        }
    }
    Ok(())
}

fn difference(before: &Snapshot, after: &Snapshot) -> String {
    let changed = before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path));
    let names: std::collections::BTreeSet<String> = changed.map(|path| path.display().to_string()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
