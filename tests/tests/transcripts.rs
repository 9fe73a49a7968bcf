//! What a person reads: the help, the tables, the questions and the errors, whole.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, program};
use artifacts_tests::transcript::Transcript;
use serde_json::{Value, json};

/// A fleet, and what is written down of it.
struct Story {
    fleet: Fleet,
    transcript: Transcript,
}

impl Story {
    /// Two machines with a prompt, a public part, something shared and what is made from it.
    fn begin() -> Result<Self> {
        let fleet = Fleet::new()?;
        let mut transcript = Transcript::default();
        let admin = fleet.new_key("admin")?;
        let asked = fleet.generator("asked", "#!/bin/bash\necho \"TOKEN=$(< \"$prompts/token\")\" > \"$out/env\"\n")?;
        let pair =
            fleet.generator("pair", "#!/bin/bash\necho key > \"$out/key\"\necho certificate > \"$out/cert\"\n")?;
        let from = fleet.generator("from", "#!/bin/bash\ncat \"$in/ca/key\" \"$in/ca/cert\" > \"$out/key\"\n")?;
        let attic = json!({
            "backend": "agenix", "files": {"env": {}}, "generator": asked,
            "prompts": {"token": {"description": "The token of the cache"}},
        });
        let ca = json!({
            "backend": "agenix", "shared": true, "generator": pair,
            "files": {"key": {"deploy": false}, "cert": {"secret": false}},
        });
        let tls = json!({"backend": "agenix", "files": {"key": {}}, "generator": from, "dependencies": ["ca"]});
        let test = json!({"backend": "dummy", "files": {"f": {}}, "generator": pair});
        let fleet = fleet
            .machine("web1", &json!({"attic": attic, "ca": ca, "tls": tls}))?
            .machine("web2", &json!({"ca": ca, "tls": tls, "test": test}))?;
        let mut story = Self { fleet, transcript };
        for name in ["web1", "web2"] {
            let key = story.fleet.of(name)["config"]["agenix"]["publicHostKey"].clone();
            story.transcript.stand_in(key.as_str().unwrap(), &format!("age1{name}"));
            story.fleet.of(name)["config"]["agenix"]["publicUserKeys"] = json!([admin]);
        }
        transcript = std::mem::take(&mut story.transcript);
        transcript.stand_in(&admin, "age1admin");
        transcript.stand_in(story.fleet.path(), "/fleet");
        transcript.stand_in(story.fleet.home(), "/home");
        Ok(Self { transcript, ..story })
    }

    fn path(&self, file: &str) -> String {
        self.fleet.path().join(file).display().to_string()
    }

    /// Runs the program, with the admin's key where that is at hand.
    fn run(&mut self, line: &str) -> Result<()> {
        self.given(line, b"")
    }

    fn given(&mut self, line: &str, input: &[u8]) -> Result<()> {
        let words = line.split(' ').map(|word| word.replace("/fleet", self.fleet.path().to_str().unwrap()));
        let mut command: Command = self.fleet.command(words)?;
        command.env("ARTIFACTS_IDENTITY", self.fleet.key_file("admin")).env_remove("EDITOR").env_remove("VISUAL");
        self.transcript.given(&format!("artifacts {line}"), &mut command, input)
    }

    /// Runs the program with a spec in a file of the fleet.
    fn of_file(&mut self, file: &str, line: &str) -> Result<()> {
        let whole = self.fleet.command(line.split(' '))?;
        let words = whole.get_args().skip(2).map(std::ffi::OsStr::to_owned);
        let mut command = Command::new(program()?);
        command.arg("--spec").arg(self.path(file)).args(words);
        whole.get_envs().filter_map(|(name, value)| Some((name, value?))).for_each(|(name, value)| {
            command.env(name, value);
        });
        self.transcript.run(&format!("artifacts --spec /fleet/{file} {line}"), &mut command)
    }

    fn runs(&mut self, lines: &[&str]) -> Result<()> {
        lines.iter().try_for_each(|line| self.run(line))
    }
}

#[test]
fn the_help_of_every_command() -> Result<()> {
    let mut transcript = Transcript::default();
    let commands = [
        "",
        "help",
        "status",
        "generate",
        "get",
        "set",
        "edit",
        "rekey",
        "run",
        "provision",
        "adopt",
        "sops-config",
        "activate",
        "audit",
        "prune",
        "restore",
        "rotate",
        "graph",
        "backend",
        "backend annotate",
        "backend explain",
        "backend list",
        "backend inspect",
        "doctor",
        "schema",
        "completions",
        "man",
    ];
    for command in commands {
        let line = if command == "help" { "--help".to_owned() } else { format!("{command} -h") };
        let mut program = Command::new(program()?);
        program.args(line.split_whitespace());
        transcript.run(&format!("artifacts {}", line.trim_start()), &mut program)?;
    }
    transcript.is_kept_as("help.txt")
}

#[test]
fn the_merge_of_two_branches() -> Result<()> {
    let mut story = Story::begin()?;
    let git = |story: &Story, line: &str| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(line.split(' ')).current_dir(story.fleet.path());
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap().status.success()
    };
    let make = "generate --accept-recipients --accept-reading --regenerate --yes ca";
    fs::write(story.fleet.path().join(".gitignore"), ".keys/\nspec.json\n")?;
    assert!(git(&story, "init -q -b main"));
    story.fleet.run(make.split(' '))?.ends(0);
    assert!(git(&story, "add .") && git(&story, "commit -qm base") && git(&story, "checkout -q -b theirs"));
    story.fleet.run(make.split(' '))?.ends(0);
    assert!(git(&story, "commit -qam theirs") && git(&story, "checkout -q main"));
    // Receipts have whole seconds.
    std::thread::sleep(std::time::Duration::from_secs(1));
    story.fleet.run(make.split(' '))?.ends(0);
    assert!(git(&story, "commit -qam ours") && !git(&story, "merge -q theirs"));
    story.transcript.tell("both branches regenerated it");
    story.runs(&["status ca", "rekey --all ca", "doctor git"])?;
    for line in ["checkout --ours -- secrets/shared/ca", "add -- secrets/shared/ca"] {
        story.transcript.tell(&format!("git {line}"));
        assert!(git(&story, line));
    }
    story.runs(&["adopt ca", "status ca"])?;
    story.transcript.is_kept_as("merges.txt")
}

#[test]
fn the_setup_of_a_machine() -> Result<()> {
    let mut story = Story::begin()?;
    fs::write(story.fleet.path().join("answers.toml"), "[\"per-machine/web1/attic\"]\ntoken = \"xyzzy\"\n")?;
    story.fleet.run([
        "generate",
        "--accept-recipients",
        "--accept-reading",
        "--answers",
        &story.path("answers.toml"),
    ])?;
    // Of the others, what is found is this machine's.
    story.run("doctor --all receipts plugins identities state")?;
    fs::write(story.fleet.path().join("secrets/shared/ca/public/cert"), "another\n")?;
    fs::write(story.fleet.path().join("secrets/notes"), "")?;
    let state = story.fleet.home().join("state/artifacts");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755))?;
    story.runs(&["doctor receipts plugins identities state", "--age-plugin yubikey doctor receipts plugins"])?;
    story.transcript.is_kept_as("doctor.txt")
}

#[test]
fn the_first_day() -> Result<()> {
    let mut story = Story::begin()?;
    story.runs(&["status", "generate --dry-run", "generate", "generate --accept-recipients"])?;
    fs::write(story.fleet.path().join("answers.toml"), "[\"per-machine/web1/attic\"]\ntoken = \"xyzzy\"\n")?;
    story.runs(&[
        "generate --answers /fleet/answers.toml",
        "status",
        "generate",
        "rotate --dry-run ca",
        "get attic env",
        "--json get attic env",
        "--json status per-machine/web1/",
        "graph",
        "graph --format mermaid per-machine/web2/",
        "backend list",
        "audit --backend nothing",
        "audit nothing",
    ])?;
    let audit = story.fleet.run(["audit", "nothing", "ca"])?.ends(0);
    audit.says("plaintext never accessed").says("no audit records match `nothing`").never_says("match `ca`");
    story.transcript.is_kept_as("first_day.txt")
}

#[test]
fn the_life_of_a_secret() -> Result<()> {
    let mut story = Story::begin()?;
    fs::write(story.fleet.path().join("answers.toml"), "[\"per-machine/web1/attic\"]\ntoken = \"xyzzy\"\n")?;
    story.run("generate --accept-recipients --answers /fleet/answers.toml")?;
    story.run("set --dry-run attic env")?;
    story.given("set attic env", b"TOKEN=by hand")?;
    story.runs(&["set --dry-run ca cert", "--json set --dry-run ca cert"])?;
    story.runs(&["get attic env", "edit attic env", "edit --dry-run attic env", "rotate --yes ca", "status"])?;
    story.runs(&[
        "rotate --stale --dry-run",
        "rotate --stale",
        "rotate --stale --yes",
        "rotate --stale --yes --accept-reading",
    ])?;
    let second = story.fleet.new_key("second")?;
    story.transcript.stand_in(&second, "age1second");
    story.fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    story.transcript.tell("web1 gets a second admin");
    story.runs(&[
        "status",
        "rotate --stale --dry-run per-machine/web1/",
        "rekey --dry-run",
        "rekey",
        "run",
        "rekey --accept-recipients",
        "rekey",
        "run",
    ])?;
    story.fleet.of("web2")["artifacts"].as_object_mut().unwrap().remove("tls");
    story.transcript.tell("web2 has no tls any more");
    story.runs(&["status", "prune --dry-run", "prune", "prune --yes", "prune"])?;
    story.transcript.is_kept_as("life.txt")
}

/// What an evaluator printed, line by line, and with what is wrong with it.
#[test]
fn a_spec_in_lines() -> Result<()> {
    let mut story = Story::begin()?;
    story.fleet.run(["generate", "--accept-recipients", "--accept-reading", "ca", "tls", "test"])?.ends(0);
    let spec = story.fleet.spec();
    let line = |index: usize| json!({"schema": 1, "targets": [spec["targets"][index]]}).to_string();
    let failed = |attribute: &str| {
        let path: Vec<&str> = attribute.split('.').collect();
        json!({"attr": attribute, "attrPath": path, "error": "error: undefined variable 'x'\n\n       at flake.nix:3:1"})
            .to_string()
    };
    let root = |index: usize, root: &str| line(index).replacen('{', &format!("{{\"root\":\"{root}\","), 1);
    let backends = |index: usize, component: &str| {
        line(index).replacen('{', &format!("{{\"backends\":{{\"vault\":{{\"component\":\"{component}\"}}}},"), 1)
    };
    let truncated = line(1).split_at(100).0.to_owned();
    for (what, lines, commands) in [
        ("a line for each target", vec![line(1), line(0)], &["status"] as &[&str]),
        (
            "web2 failed to evaluate",
            vec![line(0), failed("nixos.web2")],
            &["status", "prune --dry-run", "rotate --yes ca"],
        ),
        ("the evaluator failed as a whole", vec![line(0), failed("")], &["status"]),
        ("the evaluator was interrupted", vec![line(0), String::new(), truncated], &["status"]),
        ("two commits", vec![root(0, "/a"), root(1, "/b")], &["status"]),
        ("two registrations", vec![backends(0, "/a"), backends(1, "/b")], &["status"]),
        ("a target twice", vec![line(0), line(1), failed("nixos.web1")], &["status"]),
        (
            "a job that is not a target",
            vec![line(0), json!({"attr": "hello", "drvPath": "/x.drv"}).to_string()],
            &["status"],
        ),
        ("an invalid name", vec![line(0), line(1).replace("\"web2\"", "\"..\"")], &["status"]),
    ] {
        fs::write(story.fleet.path().join("targets.jsonl"), lines.join("\n"))?;
        story.transcript.tell(what);
        for command in commands {
            story.of_file("targets.jsonl", command)?;
        }
    }
    story.transcript.is_kept_as("lines.txt")
}

#[test]
fn what_goes_wrong() -> Result<()> {
    let mut story = Story::begin()?;
    fs::write(story.fleet.path().join("answers.toml"), "[\"per-machine/web1/attic\"]\ntoken = \"xyzzy\"\n")?;
    story.runs(&[
        "status nothing",
        "status per-machine/web1",
        "generate per-machine/web3/",
        "get attic env",
        "get attic nothing",
        "get attic",
        "get key key key",
        "rekey --stale",
        "set ca key",
        "generate --answers /fleet/nowhere.toml",
    ])?;
    let failing = story.fleet.generator("failing", "#!/bin/bash\necho \"hunter2\" >&2\nexit 3\n")?;
    let empty = story.fleet.generator("empty", "#!/bin/bash\ntouch \"$out/other\"\n")?;
    let artifact = |generator: &Value| json!({"backend": "agenix", "files": {"f": {}}, "generator": generator});
    story.fleet.of("web1")["artifacts"]["failing"] = artifact(&failing);
    story.fleet.of("web1")["artifacts"]["empty"] = artifact(&empty);
    story.fleet.of("web2")["artifacts"]["none"] = json!({"backend": "agenix", "files": {"f": {}}});
    story.fleet.of("web2")["artifacts"]["stranger"] =
        json!({"backend": "vault", "files": {"f": {}}, "generator": failing});
    story
        .transcript
        .tell("a generator that fails, one that makes another file, none at all, and a backend that nobody has");
    story.run("generate --accept-recipients --answers /fleet/answers.toml")?;
    for name in ["failing", "empty"] {
        story.fleet.of("web1")["artifacts"].as_object_mut().unwrap().remove(name);
    }
    for name in ["none", "stranger"] {
        story.fleet.of("web2")["artifacts"].as_object_mut().unwrap().remove(name);
    }
    let secrets = story.fleet.path().join("secrets");
    fs::write(secrets.join("per-machine/web1/attic/env.age"), "damaged")?;
    fs::write(secrets.join("per-machine/web2/tls/receipt.json"), "{")?;
    fs::remove_file(secrets.join("shared/ca/key.age"))?;
    story.transcript.tell("a damaged file, a receipt that is none, and a file that is gone");
    story.runs(&["status", "get attic env", "rekey", "generate", "adopt --dry-run"])?;
    story.fleet.of("web1")["artifacts"]["attic"]["dependencies"] = json!(["tls"]);
    story.fleet.of("web1")["artifacts"]["tls"]["dependencies"] = json!(["ca", "attic"]);
    story.transcript.tell("attic is made from tls, which is made from attic");
    story.runs(&["status", "generate tls"])?;
    story.transcript.is_kept_as("faults.txt")
}
