//! What the modules say of units: names and mistakes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::process::Command;

use artifacts_tests::nix::{self, Inputs};
use artifacts_tests::systemd::{evaluate, evaluate_home};

/// What is wrong, and what is said of it. `a` is the body of an artifact.
struct Mistake {
    a: &'static str,
    settings: &'static str,
    said: &'static str,
}

const MISTAKES: [Mistake; 11] = [
    Mistake {
        a: r#"bindUnits = [ "atticd.service" ];"#,
        settings: "",
        said: "artifacts: per-machine/m/a: bindUnits has `atticd.service`, which nothing defines; correct the name, or say \
               `systemd.services.\"atticd\" = { };` when a package brings it",
    },
    Mistake {
        a: r#"bindUnits = [ "atticd" ];"#,
        settings: "systemd.services.atticd = { };",
        said: "artifacts: per-machine/m/a: bindUnits has `atticd`, which names no unit that can be bound; write the whole name, \
               as in `atticd.service` (path, service, slice, socket, target, timer)",
    },
    Mistake {
        a: r#"bindUnits = [ "t@.service" ];"#,
        settings: "systemd.services.\"t@\" = { };",
        said: "artifacts: per-machine/m/a: bindUnits has `t@.service`, which is a template; name its instances, as in \
               `t@one.service`",
    },
    Mistake {
        a: r#"files.f.restartUnits = [ "t@.service" "t@one.service" "a.mount" ];"#,
        settings: "",
        said: "artifacts: per-machine/m/a: file `f`: restartUnits has `t@.service`, which names no single unit; write the whole \
               name, as in `web.service` or `web@one.service`",
    },
    Mistake {
        a: r#"files.f.reloadUnits = [ "w*.service" ];"#,
        settings: "",
        said: "artifacts: per-machine/m/a: file `f`: reloadUnits has `w*.service`, which names no single unit; write the whole \
               name, as in `web.service` or `web@one.service`",
    },
    Mistake {
        a: r#"files.f.restartUnits = [ "" ];"#,
        settings: "",
        said: "artifacts: per-machine/m/a: file `f`: restartUnits has ``, which names no single unit; write the whole name, as \
               in `web.service` or `web@one.service`",
    },
    Mistake {
        a: r#"files.f.mode = "u=r";"#,
        settings: "",
        said: "artifacts: per-machine/m/a: file `f`: mode `u=r` is no octal number; write it as `0400`",
    },
    Mistake {
        a: r#"bindUnits = [ "x.service" ];"#,
        settings: "systemd.services.x = { }; artifacts.programs.artifacts-target = lib.mkForce null;",
        said: "artifacts: bindUnits needs the program artifacts-target; set artifacts.programs.artifacts-target, or use the \
               overlay",
    },
    Mistake {
        a: r#"backend = "dummy";"#,
        settings: "artifacts.programs.artifacts = lib.mkForce null;",
        said: "artifacts: a backend makes files on the target, which needs the program; set artifacts.programs.artifacts, or \
               use the overlay",
    },
    Mistake {
        a: r#"backend = "dummy"; files.f.neededFor = "users"; dependencies = [ "b" ];"#,
        settings: r#"systemd.sysusers.enable = true; artifacts.store.b.files.f = { }; artifacts.programs.artifacts = "/p";"#,
        said: "artifacts: per-machine/m/b: something that is made here before users are depends on it, and its backend `agenix` \
               brings it later; use a backend for both that makes files on the target",
    },
    Mistake {
        a: r#"backend = "dummy"; files.f = { neededFor = "users"; owner = "x"; group = "100"; };"#,
        settings: r#"systemd.sysusers.enable = true; users.users.x = { }; artifacts.programs.artifacts = "/p";"#,
        said: "artifacts: per-machine/m/a: file `f`: owner `x`: it is made before users are; leave it to root, or write a number",
    },
];

fn module(a: &str, settings: &str) -> String {
    format!(
        "[ ({{ lib, config, ... }}: {{ artifacts.default.backend = \"agenix\"; artifacts.programs.artifacts-target = \"/p\";
           artifacts.target = \"m\"; artifacts.store.a = lib.mkMerge [ {{ files.f = {{ }}; }} {{ {a} }} ]; }}) ({{ lib, ... }}: {{ {settings} }}) ]"
    )
}

#[test]
fn mistakes_are_found_at_evaluation_with_what_to_do() {
    let modules: Vec<String> = MISTAKES.iter().map(|mistake| module(mistake.a, mistake.settings)).collect();
    let names: Vec<String> = (0..MISTAKES.len()).map(|n| format!("m{n}")).collect();
    let machines: Vec<(&str, &str)> =
        names.iter().zip(&modules).map(|(name, modules)| (name.as_str(), modules.as_str())).collect();
    for (machine, mistake) in evaluate(&machines).unwrap().iter().zip(MISTAKES) {
        assert_eq!(machine.failed(), [mistake.said], "{}", mistake.a);
    }
}

#[test]
fn a_name_that_is_too_long_for_a_unit_is_found_at_evaluation() {
    let long = "é".repeat(40);
    let modules = module("", &format!("artifacts.store.\"{long}\" = {{ files.f = {{ }}; }};"));
    let failed = evaluate(&[("m", &modules)]).unwrap()[0].failed();
    assert!(failed.len() == 1 && failed[0].contains("255 bytes"), "{failed:?}");
}

#[test]
fn what_is_right_is_accepted_and_bound() {
    let bound = r#"bindUnits = [ "x.service" "t@one.service" "x.socket" "x.timer" "x.target" "brought.service" ];"#;
    let settings = r#"systemd.services.x.script = "x"; systemd.services."t@".script = "x"; systemd.sockets.x = { };
                      systemd.timers.x = { }; systemd.targets.x = { }; systemd.services.brought = { };"#;
    let machine = evaluate(&[("m", &module(bound, settings))]).unwrap().remove(0);
    assert_eq!(machine.failed(), Vec::<String>::new());
    for unit in ["x.service", "t@one.service", "x.socket", "x.timer", "x.target", "brought.service"] {
        let text = machine.unit(unit).unwrap();
        assert!(
            text.contains("BindsTo=artifact-a.service\n") && text.contains("After=artifact-a.service\n"),
            "{unit}:\n{text}"
        );
    }
}

#[test]
fn what_a_path_is_on_is_mounted_before() {
    let machine = evaluate(&[("m", &module(r#"files.f.path = "/srv/a b/f";"#, ""))]).unwrap().remove(0);
    let text = machine.unit("artifact-a.service").unwrap();
    assert!(text.lines().any(|line| line == r#"RequiresMountsFor="/srv/a b/f""#), "{text}");
}

#[test]
fn no_making_and_no_look_takes_for_ever() {
    let dummy = r#"backend = "dummy"; timeout = "3min";"#;
    let settings = r#"artifacts.programs.artifacts = "/p"; artifacts.store.b = { backend = "dummy"; files.f = { }; };
                      artifacts.store.c.files.f = { };"#;
    let modules = module(dummy, settings);
    let machine = evaluate(&[("m", &modules)]).unwrap().remove(0);
    let home = evaluate_home(&modules).unwrap();
    let units = [("artifact-a", "420"), ("artifact-b", "300"), ("artifact-c", "30"), ("artifacts-clean", "30")];
    for (name, most) in units {
        let unit = format!("{name}.service");
        for text in [machine.unit(&unit).unwrap(), home.unit(&unit).unwrap()] {
            assert!(text.lines().any(|line| line == format!("TimeoutStartSec={most}")), "{unit}:\n{text}");
        }
    }
}

#[test]
fn odd_names_are_one_argument_and_one_line() {
    let settings = r#"artifacts.store."-x" = { files.f = { }; }; artifacts.store."50%\\" = { files.f = { }; };"#;
    let machine = evaluate(&[("m", &module("", settings))]).unwrap().remove(0);
    let dashed = machine.unit(r"artifact-\x2dx.service").unwrap();
    assert!(dashed.contains(r#""check" "--" "-x""#), "{dashed}");
    let odd = machine.unit(r"artifact-50\x25\x5c.service").unwrap();
    assert!(odd.contains("Description=Artifact 50%%\\\\\n"), "{odd}");
}

#[test]
fn the_program_on_the_target_has_no_wasmtime() {
    let of = |package: &str| {
        let mut tree = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        tree.args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--package", package]);
        let output = tree.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(of("artifacts").contains("wasmtime v"));
    assert!(!of("artifacts-target").contains("wasmtime"));
}

#[test]
fn without_artifacts_there_are_no_units() {
    let machine = evaluate(&[("m", "[ { artifacts.programs.artifacts-target = \"/p\"; } ]")]).unwrap().remove(0);
    let units = machine.units();
    assert!(units.iter().all(|unit| !unit.starts_with("artifact")), "{units:?}");
}

#[test]
fn a_users_mistakes_are_found_too() {
    let modules = module(r#"bindUnits = [ "mail.service" ];"#, "");
    let error = evaluate_home(&modules).unwrap_err().to_string();
    let fault = "artifacts: per-user/m/a: bindUnits has `mail.service`, which nothing defines; correct the name, or say \
                 `systemd.user.services.\"mail\" = { };` when a package brings it";
    assert!(error.contains(fault), "{error}");
}

/// Every byte that UTF-8 has, each as the first and as a later one.
fn names() -> Vec<String> {
    let mut names: Vec<String> = (0x20..0x7f).map(|code: u32| char::from_u32(code).unwrap().to_string()).collect();
    names.extend(
        (0x80..0x800).step_by(37).chain((0x800..0xd800).step_by(997)).filter_map(char::from_u32).map(String::from),
    );
    names.extend((0xc0..=0x7ff).step_by(0x40).filter_map(char::from_u32).map(String::from));
    names.extend((0x800..=0xffff).step_by(0x1000 - 0x3f).filter_map(char::from_u32).map(String::from));
    names.extend(
        ["\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{40000}", "\u{80000}", "\u{fffff}", "\u{10ffff}"]
            .map(String::from),
    );
    names.extend([".a", "..a", "a.b", "a-b", "a b", "alice@laptop", "a\\x2db", "…/…"].map(String::from));
    names.retain(|name| name != "." && name != "/");
    names
}

#[test]
fn names_are_escaped_as_systemd_escapes_them() {
    let names = names();
    let expected = Command::new("systemd-escape").arg("--").args(&names).output().unwrap();
    assert!(expected.status.success());
    let expected = String::from_utf8(expected.stdout).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("names.json"), serde_json::to_string(&names).unwrap()).unwrap();
    let inputs = Inputs::new().unwrap();
    let expression = format!(
        "map (import {escape} {{ lib = import {lib}; }}).name (builtins.fromJSON (builtins.readFile {names}))",
        escape = inputs.path("artifacts").join("nix/modules/units/escape.nix").display(),
        lib = inputs.path("nixpkgs").join("lib").display(),
        names = folder.path().join("names.json").display()
    );
    let found = nix::nix(folder.path(), &["eval", "--impure", "--json", "--expr", &expression]).unwrap();
    let found: Vec<String> = serde_json::from_str(&found).unwrap();
    // It separates what it prints with blanks, which no escaped name has.
    let expected: Vec<&str> = expected.split_whitespace().collect();
    assert_eq!(found, expected);
}
