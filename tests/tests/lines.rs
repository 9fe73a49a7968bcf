//! A spec in JSON lines: each target evaluated on its own, by any evaluator.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::process::{Command, Stdio};

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::fleet::{Fleet, Ran, in_session, program};
use artifacts_tests::nix;
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../docs/evaluating.md");

const MAKE: &str = "#!/bin/bash\necho $RANDOM$RANDOM > \"$out/f\"\n";

/// Three machines with an artifact each of their own, and one that the first two share; all is stored.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let admin = fleet.new_key("admin")?;
    let make = fleet.generator("make", MAKE)?;
    let own = json!({"backend": "agenix", "files": {"f": {}}, "generator": make});
    let mut shared = own.clone();
    shared["shared"] = json!(true);
    let mut fleet = fleet
        .machine("web1", &json!({"own": own, "ca": shared}))?
        .machine("web2", &json!({"own": own, "ca": shared}))?
        .machine("db", &json!({"own": own}))?;
    for name in ["web1", "web2", "db"] {
        fleet.of(name)["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    }
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(fleet)
}

/// The spec of each target of a fleet.
fn lines(fleet: &Fleet) -> Vec<Value> {
    let spec = fleet.spec();
    let line = |target: &Value| json!({"schema": 1, "backends": spec["backends"], "targets": [target]});
    spec["targets"].as_array().unwrap().iter().map(line).collect()
}

/// What an evaluator prints of a target that fails.
fn failed(target: &str) -> Value {
    json!({"attr": format!("nixos.{target}"), "attrPath": ["nixos", target], "error": "error: undefined variable 'x'"})
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n"
}

/// Runs the program with lines in a file of the fleet.
fn run(fleet: &Fleet, lines: &[Value], arguments: &[&str]) -> Result<Ran> {
    let file = fleet.path().join("targets.jsonl");
    fs::write(&file, text(lines))?;
    Ok(in_session(&command(fleet, &[&["--spec", file.to_str().unwrap()] as &[&str], arguments].concat())?)
        .output()?
        .into())
}

/// A command without the spec of the fleet.
fn command(fleet: &Fleet, arguments: &[&str]) -> Result<Command> {
    let like = fleet.command([""; 0])?;
    let mut command = Command::new(program()?);
    command.args(arguments).current_dir(fleet.path()).stdin(Stdio::null());
    like.get_envs().filter_map(|(name, value)| Some((name, value?))).for_each(|(name, value)| {
        command.env(name, value);
    });
    command.env("ARTIFACTS_IDENTITY", fleet.key_file("admin"));
    Ok(command)
}

#[test]
fn lines_in_any_order_have_the_status_of_the_whole_spec() -> Result<()> {
    let mut fleet = fleet()?;
    fleet.of("db")["artifacts"]["new"] = fleet.of("db")["artifacts"]["own"].clone();
    fleet.of("web2")["artifacts"].as_object_mut().unwrap().remove("own");
    for arguments in [&["status"] as &[&str], &["--json", "status"], &["graph"], &["prune", "--dry-run"]] {
        let whole = fleet.run(arguments)?;
        let mut lines = lines(&fleet);
        let result = json!({"attr": "nixos.db", "attrPath": ["nixos", "db"], "drvPath": "/x", "extraValue": lines[2]});
        lines[2] = result;
        for _ in 0..lines.len() {
            lines.rotate_left(1);
            let ran = run(&fleet, &lines, arguments)?;
            assert_eq!((ran.status, &ran.stdout), (whole.status, &whole.stdout), "{}", ran.stderr);
        }
    }
    // From standard input, which has no directory of its own.
    let arguments = ["--spec", "-", "--root", fleet.path().to_str().unwrap(), "status"];
    let mut given = command(&fleet, &arguments)?;
    fs::write(fleet.path().join("targets.jsonl"), text(&lines(&fleet)))?;
    given.stdin(fs::File::open(fleet.path().join("targets.jsonl"))?);
    let ran = Ran::from(given.output()?);
    assert_eq!(ran.stdout, fleet.run(["status"])?.stdout, "{}", ran.stderr);
    Ok(())
}

#[test]
fn what_an_unevaluated_target_may_have_is_never_orphaned() -> Result<()> {
    let fleet = fleet()?;
    let all = lines(&fleet);
    let rest = [all[0].clone(), all[2].clone()];
    // A target without a line is no longer declared.
    run(&fleet, &rest, &["status"])?.ends(3).says("orphaned");
    let stored = fleet.stored()?;
    for line in [
        failed("web2"),
        json!({"schema": 1, "targets": [], "unevaluated": [{"kind": "nixos", "name": "web2", "error": "error: x"}]}),
    ] {
        let lines = [rest[1].clone(), line, rest[0].clone()];
        let ran = run(&fleet, &lines, &["status"])?.ends(1);
        ran.says("nixos web2: cannot evaluate: ").never_says("orphaned");
        run(&fleet, &lines, &["prune", "--yes"])?.ends(1).never_says("trashed");
        assert_eq!(fleet.stored()?, stored);
    }
    // Under either name.
    let takes = json!({"kind": "nixos", "name": "x", "takesItselfFor": "web2", "error": "artifacts.target is `web2`"});
    let lines = [rest[0].clone(), json!({"schema": 1, "targets": [], "unevaluated": [takes]})];
    run(&fleet, &lines, &["status"])?.ends(1).says("artifacts.target is `web2`").never_says("orphaned");
    Ok(())
}

#[test]
fn what_an_unevaluated_target_may_share_is_not_rewritten() -> Result<()> {
    let mut fleet = fleet()?;
    let second = fleet.new_key("second")?;
    for name in ["web1", "web2", "db"] {
        fleet.of(name)["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    }
    let stored = fleet.stored()?;
    let mut lines = lines(&fleet);
    lines[1] = failed("web2");
    let ran = run(&fleet, &lines, &["rekey", "--accept-recipients"])?.ends(1);
    ran.says("shared/ca: cannot determine its recipients: nixos web2 failed to evaluate");
    let now = fleet.stored()?;
    for (file, is_same) in
        [("shared/ca/f.age", true), ("per-machine/web2/own/f.age", true), ("per-machine/web1/own/f.age", false)]
    {
        assert_eq!(stored[file] == now[file], is_same, "{file}");
    }
    Ok(())
}

/// The outputs that the page adds to a flake.
fn outputs() -> String {
    let code = PAGE.split("\n\n").filter(|part| part.starts_with("    artifact") && part.contains(" = "));
    let code: Vec<&str> = code.collect();
    assert_eq!(code.len(), 2, "{code:?}");
    code.join("\n").replace("pkgs.writeText", "nixpkgs.legacyPackages.x86_64-linux.writeText")
}

/// Three machines that share something, one of them with a container inside and others with a registered backend. The last one may be
/// broken.
fn flake(checkout: &Checkout, broken: &str) -> Result<()> {
    let key = checkout.public("admin").or_else(|_| checkout.key("admin"))?;
    let base = format!(
        r#"{{ artifacts.root = ./.; artifacts.default.backend = "agenix";
             artifacts.config.agenix = {{ publicHostKey = "{key}"; publicUserKeys = [ ]; }}; }}"#
    );
    let machine = |name: &str, more: &str| {
        format!(
            r#"nixosConfigurations.{name} = nixpkgs.lib.nixosSystem {{ modules = [
              inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default {base}
              ({{ pkgs, config, ... }}: {{
                nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "{name}";
                artifacts.store.own = {{ files.f = {{ }}; generator = pkgs.writers.writeBash "g" "echo x > $out/f"; }};
              }})
              {more}
            ]; }};"#
        )
    };
    let shared = r#"({ pkgs, ... }: { artifacts.store.ca = { shared = true; files.f = { };
        generator = pkgs.writers.writeBash "g" "echo x > $out/f"; }; })"#;
    let container = format!(
        "{{ containers.db.config.imports = [ inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default {base}
            {{ artifacts.store.inner = {{ files.f = {{ }}; }}; }} ]; }}"
    );
    let vault = r#"(inputs.artifacts.lib.registerBackend "vault" { component = "/v.wasm"; storage = "vault"; })"#;
    checkout.flake(&format!(
        "{} {} {} {}",
        machine("web1", &format!("{shared} {container}")),
        machine("web2", &format!("{shared} {vault}")),
        machine("web3", &format!("{shared} {vault} {broken}")),
        outputs(),
    ))
}

/// As the page lists the targets.
const NAMES: &str = "builtins.mapAttrs (_: builtins.attrNames)";

/// What each target's own evaluation prints, joined: a line of its spec, or what an evaluator would print of its error.
fn evaluated(checkout: &Checkout, output: &str, apply: &[&str]) -> Result<String> {
    let names = nix::nix(&checkout.path(), &["eval", "--json", ".#artifactTargets", "--apply", NAMES])?;
    let names: Value = serde_json::from_str(&names)?;
    let mut lines = Vec::new();
    // None of them in the order of names.
    for name in names["nixos"].as_array().unwrap().iter().rev().filter_map(Value::as_str) {
        let attribute = format!(".#{output}.nixos.{name}");
        match nix::nix(&checkout.path(), &[&["eval", "--json", &attribute] as &[&str], apply].concat()) {
            Ok(line) => {
                // Old versions end no line.
                assert_eq!(line.trim_end().lines().count(), 1);
                lines.push(line.trim_end().to_owned());
            }
            Err(error) => {
                let error = error.to_string();
                let (_, said) = error.split_once('\n').unwrap();
                lines.push(json!({"attrPath": ["nixos", name], "error": said}).to_string());
            }
        }
    }
    let lines = lines.join("\n");
    fs::write(checkout.path().join("../targets.jsonl"), &lines)?;
    Ok(lines)
}

/// Runs a command by the flake and by the lines, and compares. Returns what was said.
fn both(checkout: &Checkout, arguments: &[&str]) -> Result<[Ran; 2]> {
    let flake = checkout.run(&[&["--no-eval-cache"] as &[&str], arguments].concat())?;
    let lines = checkout.run(&[&["--spec", "../targets.jsonl", "--root", "."] as &[&str], arguments].concat())?;
    assert_eq!((lines.status, &lines.stdout), (flake.status, &flake.stdout), "{}\n{}", lines.stderr, flake.stderr);
    Ok([flake, lines])
}

#[test]
fn targets_evaluated_one_by_one_have_the_status_of_the_flake() -> Result<()> {
    let checkout = Checkout::new()?;
    flake(&checkout, "")?;
    let plain = evaluated(&checkout, "artifactTargets", &[])?;
    assert_eq!(plain.lines().count(), 3);
    let [_, absent] = both(&checkout, &["status"])?;
    absent.ends(3).says("web3/own").says("db/inner").says("shared/ca");
    // As nix-eval-jobs prints it with `--apply`.
    assert!(PAGE.contains("--apply 'job: job.spec'") && PAGE.contains(NAMES));
    let apply = "job: { inherit (job) drvPath name system; attrPath = [ \"nixos\" \"x\" ]; extraValue = job.spec; }";
    evaluated(&checkout, "artifactJobs", &["--apply", apply])?;
    both(&checkout, &["status"])?;
    both(&checkout, &["--json", "status", "web1"])?;
    Ok(())
}

#[test]
fn a_target_that_fails_by_itself_has_the_status_that_it_has_in_the_flake() -> Result<()> {
    let checkout = Checkout::new()?;
    flake(&checkout, "")?;
    checkout.run(&["generate", "--accept-recipients", "own", "ca"])?.ends(0);
    flake(&checkout, "{ artifacts.store = throw \"no domain\"; }")?;
    evaluated(&checkout, "artifactTargets", &[])?;
    for ran in both(&checkout, &["status"])? {
        ran.ends(1).says("nixos web3: cannot evaluate: no domain").never_says("orphaned");
    }
    both(&checkout, &["prune", "--dry-run"])?;
    Ok(())
}

#[test]
fn a_target_that_names_itself_otherwise_has_the_status_that_it_has_in_the_flake() -> Result<()> {
    let checkout = Checkout::new()?;
    flake(&checkout, "{ artifacts.target = \"web4\"; }")?;
    let lines = evaluated(&checkout, "artifactTargets", &[])?;
    assert!(lines.contains(r#""takesItselfFor":"web4""#), "{lines}");
    for ran in both(&checkout, &["status"])? {
        ran.ends(1).says("error: nixos web3: ").says("artifacts.target").says("`web4`").never_says("orphaned");
    }
    Ok(())
}
