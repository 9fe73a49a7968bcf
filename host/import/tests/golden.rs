//! What is printed for configurations of each tool, compared with files. `BLESS=1` rewrites them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use artifacts_declared::{TargetId, TargetKind};
use artifacts_import::{
    Findings, ForeignConfiguration, ForeignForm, Proposal, SourceText, Tool, Tree, add_forms, find, key_labels,
    references,
};
use serde_json::{Value, json};

/// Files of a checkout below `/src`.
struct Files(BTreeMap<PathBuf, Vec<u8>>);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect())
    }
}

impl Tree for Files {
    fn locate(&self, path: &str) -> Result<PathBuf, String> {
        let below = path.strip_prefix("/src/").map(PathBuf::from);
        below.ok_or_else(|| format!("`{path}` is not in the directory of the flake"))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }

    fn list(&self, dir: &Path) -> Vec<PathBuf> {
        self.0.keys().filter(|path| path.starts_with(dir)).cloned().collect()
    }
}

fn configuration(kind: TargetKind, name: &str, data: Value) -> ForeignConfiguration {
    let id = TargetId { kind, name: name.parse().unwrap() };
    ForeignConfiguration { id, data: serde_json::from_value(data).unwrap() }
}

fn machine(name: &str, data: Value) -> ForeignConfiguration {
    configuration(TargetKind::Nixos, name, data)
}

const AGE: &str = "age-encryption.org/v1\n-> ssh-ed25519 AAAA x\nbody\n--- mac\n";

fn proposal(
    tool: Tool,
    configurations: &[ForeignConfiguration],
    files: &[(&str, &str)],
    rules: &[(&str, &[&str])],
    labels: &str,
) -> Proposal {
    let mut findings: Findings = find(tool, configurations, &Files::new(files));
    for (path, keys) in rules {
        findings.recipients.insert(path.into(), keys.iter().map(ToString::to_string).collect());
    }
    let mut named = BTreeMap::new();
    key_labels(labels, &mut named);
    // As an SSH key is in a file of sops.
    let forms = |key: &str| key.strip_prefix("ssh-ed25519 ").map(|blob| format!("age1of{blob}"));
    Proposal::new(tool, configurations, findings, &named, &forms)
}

/// Writes all that a person sees.
fn page(proposal: &Proposal, configurations: &[ForeignConfiguration], sources: &[SourceText]) -> String {
    let mut page = String::new();
    match proposal.module(configurations) {
        Some(module) => page.push_str(&module.text),
        None => page.push_str("# nothing to declare\n"),
    }
    page.push_str("\n--- references\n");
    for reference in references(proposal, sources) {
        let uses: Vec<String> = reference.uses.iter().map(|one| format!("{}:{}", one.path, one.line)).collect();
        writeln!(page, "{} -> {} [{}]", reference.old, reference.new, uses.join(" ")).unwrap();
    }
    page.push_str("\n--- remarks\n");
    for remark in &proposal.remarks {
        writeln!(page, "{}: {}; {}", remark.subject, remark.why, remark.action).unwrap();
    }
    for remark in &proposal.settled {
        writeln!(page, "(settled) {}: {}; {}", remark.subject, remark.why, remark.action).unwrap();
    }
    page.push_str("\n--- sources\n");
    for (instance, file, value) in proposal.sources() {
        writeln!(page, "{instance} {file} = {} {:?}", value.path.display(), value.form).unwrap();
    }
    for (instance, how) in proposal.by_hand() {
        writeln!(page, "{instance}: {how}").unwrap();
    }
    page
}

#[track_caller]
fn is_golden(name: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, page).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(page, expected, "{}; write it with BLESS=1", file.display());
}

fn fleet() -> Vec<ForeignConfiguration> {
    let web1 = json!({
        "hasArtifacts": true, "backend": "agenix",
        "hostKey": "ssh-ed25519 WEB1",
        "recipients": { "alice": "ssh-ed25519 ALICE alice@laptop" },
        "agenix": {
            "attic": { "file": "/src/secrets/attic.age", "owner": "atticd", "group": "0", "mode": "u=r,g=r" },
            "ca": { "file": "/src/secrets/ca.age", "mode": "0400", "owner": "0" },
            "ca-again": { "file": "/src/secrets/ca.age", "owner": "nginx" },
            "elsewhere": { "file": "/nix/store/x-other/a.age" },
            "gone": { "file": "/src/secrets/gone.age" },
            "odd ${name}": { "file": "/src/secrets/odd.age", "path": "/var/lib/odd", "symlink": false },
            "inside": { "file": "/src/secrets/inside.age", "path": "/run/agenix/other", "failed": ["owner"] },
            "plain": { "file": "/src/secrets/plain.age" }
        }
    });
    let web2 = json!({
        "backend": null,
        "agenix": { "ca-web2": { "file": "/src/secrets/ca.age", "owner": "1000" } }
    });
    let alice = json!({ "agenix": { "ssh": { "file": "/src/secrets/ssh.age" } } });
    vec![machine("web1", web1), machine("web2", web2), configuration(TargetKind::HomeManager, "alice@web1", alice)]
}

const RULES: [(&str, &[&str]); 3] = [
    ("secrets/attic.age", &["ssh-ed25519 ALICE alice@laptop", "ssh-ed25519 BOB", "ssh-ed25519 WEB1 root@web1"]),
    ("secrets/ca.age", &["ssh-ed25519 ALICE", "ssh-ed25519 WEB1", "ssh-ed25519 WEB2 root@web2", "age1nobody"]),
    ("secrets/odd.age", &["ssh-ed25519 ALICE", "ssh-ed25519 WEB1", "ssh-ed25519 WEB2 root@web2"]),
];

const FILES: [(&str, &str); 6] = [
    ("secrets/attic.age", AGE),
    ("secrets/ca.age", AGE),
    ("secrets/odd.age", "age-encryption.org/v1\n-> piv-p256 AAAA x\nbody\n--- mac\n"),
    ("secrets/inside.age", AGE),
    ("secrets/ssh.age", AGE),
    ("secrets/plain.age", "password\n"),
];

#[test]
fn agenix() {
    let configurations = fleet();
    let proposal = proposal(Tool::Agenix, &configurations, &FILES, &RULES, "bob = \"ssh-ed25519 BOB\";");
    let text = "{\n  x = config.age.secrets.attic.path;\n  y = \"/run/agenix/ca and ${config.age.secrets.\"odd \\${name}\".path}\";\n}\n";
    let sources = [SourceText { path: "machines/web1.nix".to_owned(), text: text.to_owned() }];
    is_golden("agenix", &page(&proposal, &configurations, &sources));
}

#[test]
fn what_is_declared_is_not_printed_and_has_its_values_taken() {
    let mut configurations = fleet();
    let declared = json!({
        "declared": {
            "attic": { "shared": false, "files": ["attic"] },
            "inside": { "shared": false, "files": ["other"] },
            "ca": { "shared": true, "files": ["ca"] }
        }
    });
    configurations[0].data.declared = serde_json::from_value(declared["declared"].clone()).unwrap();
    let one = proposal(Tool::Agenix, &configurations, &FILES, &[], "");
    is_golden("agenix-declared", &page(&one, &configurations, &[]));
}

/// Nix is asked about parts, each short enough to be an argument; together they are the module.
#[test]
fn the_parts_of_a_module_are_short_and_in_its_text() {
    let secrets: serde_json::Map<String, Value> =
        (0..2000).map(|number| (format!("secret-{number}"), json!({ "file": format!("/src/{number}.age") }))).collect();
    let files: Vec<(String, &str)> = (0..2000).map(|number| (format!("{number}.age"), AGE)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let configurations = [machine("web 1", json!({ "agenix": secrets }))];
    let module = proposal(Tool::Agenix, &configurations, &files, &[], "").module(&configurations).unwrap();
    assert_eq!(module.parts.len(), 2001);
    let declared = |name: &str| module.parts.iter().any(|part| part.value.get(name).is_some());
    assert!(declared("web 1") && declared("secret-0") && declared("secret-1999"));
    for part in &module.parts {
        let lines = part.expression.trim_matches(['{', '}', '\n']);
        assert!(part.expression.len() < 300, "{}", part.expression);
        assert!(lines.contains("web 1") || module.text.contains(lines), "{lines}");
    }
}

/// Also an artifact of very many files is in parts that are short enough.
#[test]
fn a_large_artifact_is_in_several_parts() {
    let keys: Vec<String> = (0..3000).map(|number| format!("key-{number}")).collect();
    let option = |key: &String| {
        let path = format!("/var/lib/of-a-service-with-a-long-name/{key}");
        (key.clone(), json!({ "sopsFile": "/src/a.yaml", "key": key, "format": "yaml", "path": path }))
    };
    let options: serde_json::Map<String, Value> = keys.iter().map(option).collect();
    let lines: Vec<String> = keys.iter().map(|key| format!("{key}: ENC[x]\n")).collect();
    let yaml = format!("{}sops:\n    age: []\n", lines.concat());
    let configurations = [machine("web1", json!({ "sops": options }))];
    let module = proposal(Tool::Sops, &configurations, &[("a.yaml", yaml.as_str())], &[], "").module(&configurations);
    let module = module.unwrap();
    assert!(module.text.len() > 200_000, "{}", module.text.len());
    let largest = module.parts.iter().map(|part| part.expression.len()).max();
    assert!(largest <= Some(64 << 10), "{largest:?}");
    let all: String = module.parts.iter().map(|part| part.value.to_string()).collect();
    assert_eq!(all.matches("/var/lib/of-a-service-with-a-long-name/key-").count(), keys.len(), "each file is in one");
}

/// Remarks that have this subject.
fn remarks_of<'a>(proposal: &'a Proposal, subject: &str) -> Vec<&'a str> {
    proposal.remarks.iter().filter(|one| one.subject == subject).map(|one| one.why.as_str()).collect()
}

#[test]
fn what_has_a_hidden_character_is_left_out_and_named() {
    let odd = "x\u{1b}${builtins.readFile \"/etc/hostname\"}";
    let json =
        json!({"data": "ENC[x]", "sops": {"age": [{"recipient": format!("age1{odd}")}, {"recipient": "age1fine"}]}});
    let web1 = json!({ "hostKey": "age1web1", "recipients": { "theirs": format!("age1y{odd}") }, "sops": { "tls": {
        "sopsFile": "/src/tls", "format": "binary", "path": format!("/{odd}"), "owner": odd, "group": odd,
        "restartUnits": [odd, "a.service"], "reloadUnits": ["\u{202e}b.service"] } } });
    let mut web2 = web1.clone();
    web2["recipients"] = json!({});
    let configurations = [machine("web1", web1), machine("web2", web2)];
    let proposal = proposal(Tool::Sops, &configurations, &[("tls", &json.to_string())], &[], "");
    let module = proposal.module(&configurations).unwrap();
    let hidden = |c: char| c != '\n' && artifacts_text::is_hidden(c);
    assert!(!module.text.contains(hidden) && !module.text.contains("readFile"), "{}", module.text);
    assert!(module.text.contains("a.service") && module.text.contains("age1fine"), "{}", module.text);
    for (subject, why) in [
        ("tls", "not a public key"),
        ("web1: artifacts.recipients.theirs", "not a public key"),
        ("web1: sops.secrets.tls", "path, owner, group, restartUnits, reloadUnits"),
    ] {
        let found = remarks_of(&proposal, subject);
        assert!(found.iter().any(|one| one.contains(why)), "{subject}: {:?}", proposal.remarks);
    }
}

#[test]
fn a_private_key_in_place_of_a_public_one_is_not_printed() {
    for private in ["AGE-SECRET-KEY-1CANARY", "age-secret-key-1canary", "age1x AGE-SECRET-KEY-1CANARY", "canary"] {
        let of_host = json!({ "hostKey": private, "masters": [private, "age1master"], "others": [private] });
        let web1 = json!({ "rekey": of_host, "agenix": { "a": { "rekeyFile": "/src/a.age" } } });
        let configurations = [machine("web1", web1)];
        for (tool, rules) in [(Tool::AgenixRekey, &[][..]), (Tool::AgenixRekey, &[("a.age", &[private][..])][..])] {
            let proposal = proposal(tool, &configurations, &[("a.age", AGE)], rules, "");
            let page = page(&proposal, &configurations, &[]);
            assert!(!page.to_lowercase().contains("canary"), "{page}");
            let subject = if rules.is_empty() { "web1: age.rekey" } else { "a.age" };
            assert_eq!(remarks_of(&proposal, subject).len(), 1, "{page}");
        }
    }
}

#[test]
fn a_second_key_with_the_name_of_a_machine_keeps_its_access_and_is_named() {
    let configurations = [machine("web1", json!({ "agenix": { "a": { "file": "/src/a.age" } } }))];
    let keys: &[&str] = &["ssh-ed25519 OLD root@web1", "age1ofOLD", "ssh-ed25519 NEW root@web1", "age1alice"];
    let proposal = proposal(Tool::Agenix, &configurations, &[("a.age", AGE)], &[("a.age", keys)], "");
    let text = proposal.module(&configurations).unwrap().text;
    assert!(text.contains("hostKey = \"ssh-ed25519 OLD root@web1\""), "{text}");
    let recipients: Vec<&str> = proposal.keys.recipients.values().map(String::as_str).collect();
    assert_eq!(recipients, ["age1alice", "ssh-ed25519 NEW root@web1"], "{text}");
    let found = remarks_of(&proposal, "web1");
    assert!(found.iter().any(|why| why.contains("`root@web1`")), "{:?}", proposal.remarks);
    // Where the machine's own key is declared, no other becomes it.
    let known = json!({ "hostKey": "age1ofNEW", "agenix": { "a": { "file": "/src/a.age" } } });
    let configurations = [machine("web1", known)];
    let proposal = self::proposal(Tool::Agenix, &configurations, &[("a.age", AGE)], &[("a.age", keys)], "");
    let recipients: Vec<&str> = proposal.keys.recipients.values().map(String::as_str).collect();
    assert_eq!(recipients, ["age1alice", "ssh-ed25519 OLD root@web1"]);
}

#[test]
fn what_only_another_form_of_a_target_has_is_declared_for_all_of_it_and_named() {
    let secret = |file: &str| json!({ "file": format!("/src/{file}.age") });
    let data = |secrets: Value| json!({ "hasArtifacts": true, "hostKey": "age1web", "agenix": secrets });
    let own = data(json!({ "a": secret("a"), "b": secret("b") }));
    let other =
        json!({ "a": secret("a"), "b": secret("other"), "c": secret("c"), "source": { "rekeyFile": "/src/x" } });
    let place = "nixosConfigurations.web1, its specialisation dark";
    let id = |name: &str| TargetId { kind: TargetKind::Nixos, name: name.parse().unwrap() };
    let form = |name: &str, data: Option<Value>| ForeignForm {
        id: id(name),
        place: place.to_owned(),
        data: data.map(|data| serde_json::from_value(data).unwrap()),
    };
    let proposed = |own: Value| {
        let mut configurations = vec![machine("web1", own)];
        let forms = [form("web1", Some(data(other.clone()))), form("alice", Some(json!({}))), form("web1", None)];
        let forms = add_forms(Tool::Agenix, &mut configurations, forms);
        assert_eq!(configurations.len(), 2, "what only a form has is a target as well");
        let files: Vec<(&str, &str)> = ["a.age", "b.age", "c.age", "other.age"].map(|file| (file, AGE)).into();
        let mut findings = find(Tool::Agenix, &configurations, &Files::new(&files));
        findings.forms = forms;
        Proposal::new(Tool::Agenix, &configurations, findings, &BTreeMap::new(), &|_| None)
    };
    let proposal = proposed(own.clone());
    let artifacts: Vec<&str> = proposal.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(artifacts, ["a", "b", "c"]);
    let only = format!("only {place} has it");
    assert_eq!(remarks_of(&proposal, "web1: age.secrets.c"), [only.as_str()]);
    let differs = format!("{place} has it in another way, which is not imported");
    assert_eq!(remarks_of(&proposal, "web1: age.secrets.b"), [differs.as_str()]);
    assert_eq!(remarks_of(&proposal, place), ["it does not evaluate, and was not searched"]);

    // Once it is declared, it was said.
    let mut declared = own;
    declared["declared"] = json!({ "c": { "files": ["c"] } });
    let proposal = proposed(declared);
    assert!(remarks_of(&proposal, "web1: age.secrets.c").is_empty(), "{:?}", proposal.remarks);
    assert!(proposal.settled.iter().any(|remark| remark.why == only), "{:?}", proposal.settled);
}

const YAML: &str = "attic: ENC[x]\nmail: ENC[x]\nunused: ENC[x]\nweb:\n    token: ENC[x]\nsops:\n    age:\n        - recipient: age1ofWEB1\n        - recipient: age1admin\n    lastmodified: x\n    pgp:\n        - created_at: x\n          fp: 85D77543\n";
const BINARY: &str =
    r#"{"data": "ENC[x]", "sops": {"age": [{"recipient": "age1ofWEB1"}, {"recipient": "age1ofWEB2"}]}}"#;
const OF_PGP: &str = r#"{"data": "ENC[x]", "sops": {"pgp": [{"fp": "85D77543"}]}}"#;

#[test]
fn sops() {
    let units = json!(["attic.service", "nginx.service"]);
    let web1 = json!({
        "backend": "sops-nix", "hostKey": "ssh-ed25519 WEB1",
        "templates": ["attic.env"],
        "sops": {
            "attic": { "sopsFile": "/src/web1.yaml", "key": "attic", "format": "yaml", "owner": "atticd", "uid": 0,
                "restartUnits": units, "neededForUsers": false },
            "mail-password": { "sopsFile": "/src/web1.yaml", "key": "mail", "format": "yaml", "uid": 1000, "gid": 0,
                "neededForUsers": true },
            "web/token": { "sopsFile": "/src/web1.yaml", "key": "web/token", "format": "yaml" },
            "one": { "sopsFile": "/src/shared/one.yaml", "key": "sops", "format": "yaml" },
            "key": { "sopsFile": "/src/tls.key", "format": "binary", "key": "" , "mode": "0440"},
            "pgp": { "sopsFile": "/src/pgp.bin", "format": "binary" },
            "whole": { "sopsFile": "/src/whole.yaml", "format": "yaml", "key": "" },
            "env": { "sopsFile": "/src/x.env", "format": "dotenv", "key": "a" },
            "ini": { "sopsFile": "/src/x.ini", "format": "ini", "key": "ini" },
            "odd": { "sopsFile": "/src/x.toml", "format": "toml" },
            "none": { "failed": ["sopsFile"] }
        }
    });
    let web2 = json!({ "backend": "agenix", "format": "yaml", "sops": {
        "tls": { "sopsFile": "/src/tls.key", "format": "binary", "key": "tls", "reloadUnits": ["nginx.service"] } } });
    let configurations = [machine("web1", web1), machine("web2", web2)];
    let files = [
        ("web1.yaml", YAML),
        ("shared/one.yaml", "sops: x\nsops:\n    age: []\n"),
        ("tls.key", BINARY),
        ("pgp.bin", OF_PGP),
        ("whole.yaml", YAML),
        ("x.env", "A=ENC[x]\nsops_age__list_0__map_recipient=age1admin\n"),
        ("x.ini", "[a]\nb = ENC[x]\n[sops]\npgp__list_0__map_fp = 85D77543\n"),
    ];
    let labels = "keys:\n  - &admin age1admin\n  - &host_web2 age1ofWEB2\n";
    let proposal = proposal(Tool::Sops, &configurations, &files, &[], labels);
    is_golden("sops", &page(&proposal, &configurations, &[]));
}

#[test]
fn agenix_rekey() {
    let rekey =
        json!({ "hostKey": "ssh-ed25519 WEB1\n", "masters": ["age1master"], "others": ["ssh-ed25519 ALICE alice"] });
    let web1 = json!({ "backend": "agenix", "rekey": rekey, "agenix": {
        "copy": { "rekeyFile": "/src/secrets/copy.age", "file": "/src/rekeyed/web1/0-copy.age" },
        "source": { "rekeyFile": "/src/secrets/source.age", "file": "/nix/store/x-rekeyed/source.age", "generator": true },
        "between": { "rekeyFile": "/src/secrets/between.age", "intermediary": true },
        "not-of-it": { "file": "/src/secrets/plain.age" }
    } });
    let configurations = [machine("web1", web1)];
    let files = [
        ("rekeyed/web1/0-copy.age", AGE),
        ("secrets/copy.age", AGE),
        ("secrets/source.age", AGE),
        ("secrets/between.age", AGE),
    ];
    let proposal = proposal(Tool::AgenixRekey, &configurations, &files, &[], "");
    is_golden("agenix-rekey", &page(&proposal, &configurations, &[]));
}

#[test]
fn clan() {
    let options = json!({
        "attic": { "share": false, "files": {
            "env": { "owner": "atticd", "mode": "0440", "restartUnits": ["attic.service"] },
            "id": { "secret": false, "mode": "0444" },
            "early": { "neededFor": "activation" }
        } }
    });
    let configurations =
        [machine("web1", json!({ "backend": "sops-nix", "clan": options })), machine("web2", json!({}))];
    let files = [
        ("vars/per-machine/web1/attic/env/secret", BINARY),
        ("vars/per-machine/web1/attic/env/machines/web1", ""),
        ("vars/per-machine/web1/attic/id/value", "public"),
        ("vars/per-machine/web1/attic/early/secret", BINARY),
        ("vars/shared/ca/key/secret", BINARY),
        ("vars/shared/ca/key/machines/web1", ""),
        ("vars/shared/ca/key/machines/web2", ""),
        ("vars/shared/ca/cert/value", "public"),
        ("secrets/clan-vars/per-machine/web2/ssh/key/key.age", AGE),
    ];
    let proposal = proposal(Tool::Clan, &configurations, &files, &[], "");
    is_golden("clan", &page(&proposal, &configurations, &[]));
}

#[test]
fn nixos_artifacts() {
    let declared = json!({ "ssh": { "shared": false, "files": ["key", "other"] },
        "gpg": { "files": ["key"] }, "done": { "files": ["key"] }, "absent": { "files": ["key"] } });
    let configurations = [configuration(TargetKind::HomeManager, "alice@laptop", json!({ "declared": declared }))];
    let files = [
        ("secrets/per-user/alice/ssh/key.age", AGE),
        ("secrets/per-user/alice@laptop/gpg/key.age", AGE),
        ("secrets/per-user/alice@laptop/done/receipt.json", "{}"),
    ];
    let proposal = proposal(Tool::NixosArtifacts, &configurations, &files, &[], "");
    is_golden("nixos-artifacts", &page(&proposal, &configurations, &[]));
}
