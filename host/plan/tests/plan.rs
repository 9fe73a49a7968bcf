//! Declarations in, instances, states and order out.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeSet;

use artifacts_declared::Recipients;
use artifacts_plan::{EntryOwners, Facts, InstanceState, Resolved, Said, instances, order, state, validation_hash};
use artifacts_seam as seam;
use serde_json::{Value, json};

/// A spec of machines, each with its artifacts.
fn spec(targets: &[(&str, Value)]) -> artifacts_declared::Spec {
    let targets: Vec<Value> = targets
        .iter()
        .map(|(name, artifacts)| {
            json!({"kind": "nixos", "name": name, "system": "x86_64-linux", "config": {"agenix": {"publicHostKey": name}}, "artifacts": artifacts})
        })
        .collect();
    artifacts_declared::parse(&json!({"schema": 1, "targets": targets}).to_string()).unwrap()
}

fn artifact(extra: &Value) -> Value {
    let mut base = json!({"backend": "agenix", "files": {"f": {}}, "generator": {"path": "/nix/store/g"}});
    base.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    base
}

fn shared(extra: &Value) -> Value {
    let mut value = artifact(extra);
    value["shared"] = json!(true);
    value
}

fn resolve(targets: &[(&str, Value)]) -> Resolved {
    instances(&spec(targets), Some("x86_64-linux"))
}

fn only_problem(resolved: &Resolved) -> String {
    assert_eq!(resolved.problems.len(), 1, "{:?}", resolved.problems);
    assert!(resolved.instances.is_empty());
    resolved.problems[0].message.clone()
}

#[test]
fn a_shared_artifact_is_one_instance_of_all_its_targets() {
    let resolved = resolve(&[("b", json!({"t": shared(&json!({}))})), ("a", json!({"t": shared(&json!({}))}))]);
    assert!(resolved.problems.is_empty());
    let instance = resolved.instances.values().next().unwrap();
    assert_eq!(instance.name.to_string(), "shared/t");
    let told: Vec<&str> = instance.for_backend.targets.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(told, ["a", "b"]);
    assert_eq!(&*instance.for_backend.targets[1].config, r#"{"publicHostKey":"b"}"#);
}

#[test]
fn a_file_names_the_targets_that_it_is_deployed_to() {
    let files = json!({"files": {"all": {}, "admins": {"deploy": false}}});
    let resolved = resolve(&[("b", json!({"t": shared(&files)})), ("a", json!({"t": shared(&files)}))]);
    let instance = resolved.instances.values().next().unwrap();
    let targets: Vec<(&str, Vec<&str>)> = instance
        .for_backend
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.targets.iter().map(|target| target.name.as_str()).collect()))
        .collect();
    assert_eq!(targets, [("admins", vec![]), ("all", vec!["a", "b"])]);
    assert_eq!(instance.for_backend.files[1].targets[0].kind, "nixos");
}

#[test]
fn the_targets_of_a_shared_artifact_may_differ_in_what_is_deployed() {
    let with =
        |deploy: bool| json!({"t": shared(&json!({"files": {"f": {"deploy": deploy}, "g": {"deploy": !deploy}}}))});
    let resolved = resolve(&[("a", with(true)), ("b", with(false)), ("c", with(true))]);
    assert!(resolved.problems.is_empty(), "{:?}", resolved.problems);
    let files = &resolved.instances.values().next().unwrap().for_backend.files;
    let targets: Vec<Vec<&str>> =
        files.iter().map(|file| file.targets.iter().map(|target| target.name.as_str()).collect()).collect();
    assert_eq!(targets, [vec!["a", "c"], vec!["b"]], "of f and g");
}

#[test]
fn each_target_has_its_own_units_that_notice_a_new_value() {
    let with = |file: Value, other: Value| json!({"t": shared(&json!({"files": {"f": file, "g": other}}))});
    let resolved = resolve(&[
        ("a", with(json!({"restartUnits": ["x"], "reloadUnits": ["x", "y"]}), json!({"reloadUnits": ["z"]}))),
        ("b", with(json!({"deploy": false, "restartUnits": ["x"]}), json!({}))),
        ("c", with(json!({}), json!({"reloadUnits": ["z"]}))),
    ]);
    assert!(resolved.problems.is_empty(), "{:?}", resolved.problems);
    let units = &resolved.instances.values().next().unwrap().units;
    let words = |units: &BTreeSet<String>| units.iter().cloned().collect::<Vec<_>>().join(" ");
    let units: Vec<_> =
        units.iter().map(|it| (it.target.name.as_str(), words(&it.restarted), words(&it.reloaded))).collect();
    let expected = [("a", "x", "y z"), ("c", "", "z")].map(|(name, x, y)| (name, x.to_owned(), y.to_owned()));
    assert_eq!(units, expected, "of `b` it is not deployed");
}

#[test]
fn shared_and_own_artifacts_of_one_name_live_side_by_side() {
    let resolved = resolve(&[("a", json!({"t": shared(&json!({}))})), ("b", json!({"t": artifact(&json!({}))}))]);
    let names: Vec<String> = resolved.instances.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["per-machine/b/t", "shared/t"]);
}

#[test]
fn shared_declarations_that_disagree_are_refused_naming_targets_and_field() {
    for (field, other) in [
        ("files", json!({"files": {"f": {}, "g": {}}})),
        ("files.secret", json!({"files": {"f": {"secret": false}}})),
        ("files", json!({"files": {"f, g": {}}})),
        ("prompts", json!({"prompts": {}})),
        ("prompts", json!({"prompts": {"q": {}}})),
        ("prompts.p.description", json!({"prompts": {"p": {"description": "other"}}})),
        ("prompts.p.description", json!({"prompts": {"p": {"description": ""}}})),
        ("prompts.p.type", json!({"prompts": {"p": {"type": "line"}}})),
        ("prompts.p.testValue", json!({"prompts": {"p": {"testValue": "t"}}})),
        ("prompts.p.required", json!({"prompts": {"p": {"required": false}}})),
        ("backend", json!({"backend": "sops-nix"})),
        ("description", json!({"description": "other"})),
        ("validation", json!({"validation": 1})),
        ("maxAge", json!({"maxAge": 1})),
        ("rotation", json!({"rotation": "manual"})),
        ("timeout", json!({"timeout": 999})),
        ("network", json!({"network": true})),
        ("generator", json!({"generator": {"path": "/nix/store/h"}})),
        ("generator", json!({"generator": null})),
        ("dependencies", json!({"dependencies": ["t2"]})),
        ("dependencies", json!({"dependencies": {"t2": "per-machine/a/t2"}})),
        ("recipients", json!({"recipients": []})),
    ] {
        let message = only_problem(&resolve(&[
            ("a", json!({"t": shared(&json!({"prompts": {"p": {}}}))})),
            (
                "b",
                json!({"t": shared(&{
                    let mut with = json!({"prompts": {"p": {}}});
                    with.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
                    with
                })}),
            ),
        ]));
        assert!(message.starts_with(&format!("`{field}` differs between a (nixos) and b (nixos): ")), "{message}");
    }
}

/// Machines with these recipients, and `t`.
fn with_recipients(targets: &[(&str, Value, Value)]) -> Resolved {
    let targets: Vec<Value> = targets
        .iter()
        .map(|(name, recipients, artifact)| {
            json!({"kind": "nixos", "name": name, "recipients": recipients, "config": {"agenix": {"publicUserKeys": ["k1", "k2"], "other": 1}}, "artifacts": {"t": artifact}})
        })
        .collect();
    instances(&artifacts_declared::parse(&json!({"schema": 1, "targets": targets}).to_string()).unwrap(), None)
}

#[test]
fn what_an_artifact_sets_for_its_backend_replaces_the_whole_field_of_the_target() {
    let own = json!({"backendConfig": {"agenix": {"publicUserKeys": ["k1"]}, "sops-nix": {"format": "json"}}});
    let resolved = with_recipients(&[("a", json!({}), artifact(&own)), ("b", json!({}), artifact(&json!({})))]);
    let config = |at: usize| -> Value {
        let view = &resolved.instances.values().nth(at).unwrap().for_backend;
        serde_json::from_str(&view.targets[0].config).unwrap()
    };
    assert_eq!(config(0), json!({"other": 1, "publicUserKeys": ["k1"]}));
    assert_eq!(config(1), json!({"other": 1, "publicUserKeys": ["k1", "k2"]}));
}

#[test]
fn an_admin_that_is_narrowed_to_has_to_be_declared() {
    let narrowed = json!({"agenix": {"publicUserKeys": ["k2"]}});
    let only = |name: &str| artifact(&json!({"recipients": [name], "backendConfig": narrowed}));
    let keys = json!({"alice": "k1", "bob": "k2"});
    assert!(with_recipients(&[("a", keys.clone(), only("bob"))]).problems.is_empty());
    let silent = artifact(&json!({"recipients": ["bob"]}));
    let resolved = with_recipients(&[("a", keys.clone(), silent)]);
    assert!(resolved.problems[0].message.contains("narrows nothing"), "{:?}", resolved.problems);
    let resolved = with_recipients(&[("a", keys, only("bbo"))]);
    assert_eq!(only_problem(&resolved), "unknown recipient `bbo` of a (nixos)");
    assert_eq!(resolved.problems[0].hint, "`artifacts.recipients` has alice, bob");
    let resolved = with_recipients(&[("a", json!({}), only("alice"))]);
    assert_eq!(resolved.problems[0].hint, "declare `artifacts.recipients.alice` there");
}

#[test]
fn one_name_has_one_key_in_a_shared_artifact() {
    let (one, same, other) = ("ssh-ed25519 AAAA one", "ssh-ed25519 AAAA two", "ssh-ed25519 BBBB");
    let pair = |key: &str, artifact: &Value| {
        with_recipients(&[
            ("a", json!({"alice": one}), artifact.clone()),
            ("b", json!({"alice": key}), artifact.clone()),
        ])
    };
    assert!(pair(same, &shared(&json!({}))).problems.is_empty(), "a comment is no part of a key");
    assert!(pair(other, &artifact(&json!({}))).problems.is_empty(), "they share nothing");
    let message = only_problem(&pair(other, &shared(&json!({}))));
    assert_eq!(message, "recipient `alice` has different keys on a (nixos) and b (nixos)");
}

#[test]
fn no_admin_is_named_like_a_target_of_any_kind() {
    let resolved =
        with_recipients(&[("a", json!({"b": "k1"}), artifact(&json!({}))), ("b", json!({}), artifact(&json!({})))]);
    assert_eq!(resolved.problems[0].message, "a target is named `b`, as a recipient of a (nixos) is");
    assert_eq!((resolved.problems.len(), resolved.instances.len()), (1, 1), "the others go on");
}

fn typed(extra: &Value) -> Value {
    let mut value = artifact(&json!({"generator": null}));
    value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    value
}

#[test]
fn without_a_generator_an_instance_asks_for_its_files() {
    let files =
        json!({"files": {"password": {}, "user": {"secret": false}}, "prompts": {"password": {"required": false}}});
    let resolved = resolve(&[("a", json!({"t": typed(&files)}))]);
    let prompts = &resolved.instances.values().next().unwrap().artifact.prompts;
    let asked: Vec<(&str, bool)> = prompts.iter().map(|(name, prompt)| (name.as_str(), prompt.is_required())).collect();
    assert_eq!(asked, [("password", false), ("user", false)]);
}

#[test]
fn shared_declarations_without_a_generator_agree_where_the_same_is_asked() {
    let of = |more: &Value| {
        let mut value = typed(more);
        value["shared"] = json!(true);
        json!({"t": value})
    };
    let resolved = resolve(&[("a", of(&json!({}))), ("b", of(&json!({"prompts": {"f": {"required": true}}})))]);
    assert_eq!((resolved.problems.len(), resolved.instances.len()), (0, 1), "{:?}", resolved.problems);
    let other = json!({"prompts": {"f": {"type": "multiline"}}});
    let message = only_problem(&resolve(&[("a", of(&json!({}))), ("b", of(&other))]));
    assert!(message.starts_with("`prompts.f.type` differs between a (nixos) and b (nixos)"), "{message}");
    // On another system, too, where generators are not compared.
    let made = json!({"generator": {"path": "/nix/store/h", "system": "aarch64-linux"}});
    let message = only_problem(&resolve(&[("a", of(&json!({}))), ("b", of(&made))]));
    assert!(message.starts_with("`generator` differs between a (nixos) and b (nixos): none and /nix"), "{message}");
}

#[test]
fn without_a_generator_what_nothing_would_use_is_refused() {
    for (extra, what) in [
        (json!({"prompts": {"p": {}}}), "nothing uses its prompt `p`: no generator (declared by a (nixos))"),
        (json!({"dependencies": ["u"]}), "nothing reads its dependency `u`: no generator (declared by a (nixos))"),
    ] {
        let resolved = resolve(&[("a", json!({"t": typed(&extra), "u": typed(&json!({}))}))]);
        let messages: Vec<&str> = resolved.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, [what]);
    }
}

#[test]
fn names_that_read_alike_are_told_apart() {
    let files = |files: Value| json!({"t": shared(&json!({"files": files}))});
    let message = only_problem(&resolve(&[("a", files(json!({"f, g": {}}))), ("b", files(json!({"f": {}, "g": {}})))]));
    assert!(message.contains("`files` differs between a (nixos) and b (nixos): f, g and f, g"), "{message}");
    let backend = |backend: Value| json!({"t": shared(&json!({"backend": backend}))});
    let message = only_problem(&resolve(&[("a", backend(json!("none"))), ("b", backend(json!(null)))]));
    assert!(message.contains("`backend` differs between a (nixos) and b (nixos): none and none"), "{message}");
}

#[test]
fn a_long_value_that_differs_is_shown_with_its_length() {
    let described = |text: &str| json!({"t": shared(&json!({"description": text.repeat(1_000_000)}))});
    let message = only_problem(&resolve(&[("a", described("x")), ("b", described("y"))]));
    assert!(message.len() < 2000 && message.matches("… (1,000,002 bytes)").count() == 2, "{} bytes", message.len());
}

#[test]
fn what_is_each_targets_own_may_differ() {
    let at = |path: &str, owner: Value| json!({"t": shared(&json!({"files": {"f": {"path": path, "mode": "0440", "owner": owner, "group": path}}}))});
    let resolved = resolve(&[("a", at("/one", json!("root"))), ("b", at("/two", json!(null)))]);
    assert!(resolved.problems.is_empty(), "{:?}", resolved.problems);
}

#[test]
fn the_third_target_is_compared_too() {
    let same = json!({"t": shared(&json!({}))});
    let other = json!({"t": shared(&json!({"generator": {"path": "/nix/store/h"}}))});
    let message = only_problem(&resolve(&[("a", same.clone()), ("b", same), ("c", other)]));
    assert!(message.contains("b (nixos) and c (nixos)"), "{message}");
}

#[test]
fn paths_owners_and_generators_of_other_systems_may_differ() {
    let at = |path: &str, system: &str| json!({"t": shared(&json!({"files": {"f": {"path": path, "owner": path, "mode": "0440"}}, "generator": {"path": path, "system": system}}))});
    let resolved =
        resolve(&[("a", at("/nix/store/arm", "aarch64-linux")), ("b", at("/nix/store/intel", "x86_64-linux"))]);
    assert!(resolved.problems.is_empty(), "{:?}", resolved.problems);
    let generator = resolved.instances.values().next().unwrap().artifact.generator.clone().unwrap();
    assert_eq!(generator.path.to_str(), Some("/nix/store/intel"), "the one that this machine can run");
}

#[test]
fn one_bad_artifact_leaves_the_others() {
    let resolved = resolve(&[("a", json!({"bad": artifact(&json!({"files": {}})), "good": artifact(&json!({}))}))]);
    assert_eq!(resolved.instances.len(), 1);
    assert_eq!(resolved.problems[0].instance.to_string(), "per-machine/a/bad");
}

#[test]
fn a_machine_and_a_mac_of_one_name_do_not_share_an_entry() {
    let text = json!({"schema": 1, "targets": [
        {"kind": "nixos", "name": "a", "artifacts": {"t": artifact(&json!({}))}},
        {"kind": "darwin", "name": "a", "artifacts": {"t": artifact(&json!({}))}}]});
    let resolved = instances(&artifacts_declared::parse(&text.to_string()).unwrap(), None);
    assert!(only_problem(&resolved).contains("a (darwin)"));
}

#[test]
fn dependencies_come_first_and_cycles_are_shown() {
    let resolved = resolve(&[(
        "a",
        json!({
            "leaf": artifact(&json!({"dependencies": ["ca"]})), "ca": shared(&json!({})),
            "x": artifact(&json!({"dependencies": ["y"]})), "y": artifact(&json!({"dependencies": ["z"]})),
            "z": artifact(&json!({"dependencies": ["x"]})), "behind": artifact(&json!({"dependencies": ["x"]})),
        }),
    )]);
    let (ordered, problems) = order(&resolved.instances);
    let at = |name: &str| ordered.iter().position(|n| n.artifact().as_str() == name);
    assert!(at("ca").unwrap() < at("leaf").unwrap());
    assert_eq!((at("x"), at("y"), at("z"), at("behind")), (None, None, None, None));
    let messages: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
    assert!(
        messages
            .iter()
            .any(|m| m.ends_with("per-machine/a/x -> per-machine/a/y -> per-machine/a/z -> per-machine/a/x")),
        "{messages:?}"
    );
    assert_eq!(messages.len(), 4);
}

#[test]
fn undeclared_and_private_dependencies_are_refused() {
    let resolved = resolve(&[(
        "a",
        json!({"t": artifact(&json!({"dependencies": ["nope"]})), "own": artifact(&json!({})), "s": shared(&json!({"dependencies": ["own"]}))}),
    )]);
    let messages: Vec<&str> = resolved.problems.iter().map(|p| p.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "unknown dependency `nope`: not an artifact of a (nixos), and not a shared one",
            "a shared artifact cannot depend on `own`, which is per-machine/a/own alone"
        ]
    );
}

/// What `web1/t` reads, by directory, with other targets besides: `ctrl` has its own `id` and shares `ca`.
fn reads(dependencies: &Value, own: &Value) -> Result<Vec<(String, String)>, artifacts_plan::Problem> {
    let mut artifacts = own.clone();
    artifacts["t"] = artifact(&json!({"dependencies": dependencies}));
    let resolved = resolve(&[
        ("ctrl", json!({"id": artifact(&json!({})), "ca": shared(&json!({})), "a ${b}": artifact(&json!({}))})),
        ("web1", artifacts),
    ]);
    if let Some(problem) = resolved.problems.into_iter().next() {
        return Err(problem);
    }
    let instance = &resolved.instances[&"per-machine/web1/t".parse().unwrap()];
    Ok(instance.dependencies.iter().map(|(directory, name)| (directory.to_string(), name.to_string())).collect())
}

#[test]
fn a_dependency_is_of_the_target_or_shared_by_any_or_any_instance_by_its_full_name() {
    let none = json!({});
    for (dependencies, own, expected) in [
        (json!(["id"]), json!({"id": artifact(&json!({}))}), vec![("id", "per-machine/web1/id")]),
        (json!(["ca"]), none.clone(), vec![("ca", "shared/ca")]),
        (json!(["ca"]), json!({"ca": artifact(&json!({}))}), vec![("ca", "per-machine/web1/ca")]),
        (json!({"of.ctrl": "per-machine/ctrl/id"}), none.clone(), vec![("of.ctrl", "per-machine/ctrl/id")]),
        (json!({"a": "shared/ca", "b": "ca"}), none.clone(), vec![("a", "shared/ca"), ("b", "shared/ca")]),
        (json!({"a": "id"}), json!({"id": artifact(&json!({}))}), vec![("a", "per-machine/web1/id")]),
    ] {
        let found = reads(&dependencies, &own).unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(of, name)| (of.as_str(), name.as_str())).collect();
        assert_eq!(found, expected, "{dependencies}");
    }
}

#[test]
fn a_dependency_that_is_none_is_told_how_to_be_one() {
    for (dependencies, message, hint) in [
        (
            json!(["ca", "per-machine/ctrl/id"]),
            "`dependencies` lists artifacts, but per-machine/ctrl/id is an instance",
            "write `dependencies = { ca = \"ca\"; id = \"per-machine/ctrl/id\"; };`",
        ),
        (
            json!(["ctrl/id"]),
            "invalid dependency `ctrl/id`",
            "write `dependencies = { id = \"per-machine/ctrl/id\"; };`",
        ),
        (
            json!({"x": "ctrl/a ${b}", "y z": "ca"}),
            "invalid dependency `ctrl/a ${b}`",
            "write `dependencies = { x = \"per-machine/ctrl/a \\${b}\"; \"y z\" = \"ca\"; };`",
        ),
        (
            json!({"rec": "ctrl/id"}),
            "invalid dependency `ctrl/id`",
            "write `dependencies = { \"rec\" = \"per-machine/ctrl/id\"; };`",
        ),
        (
            json!(["with"]),
            "unknown dependency `with`: not an artifact of web1 (nixos), and not a shared one",
            "declare `artifacts.store.\"with\"` there, or remove it from `dependencies`",
        ),
        (
            json!(["gone/id"]),
            "invalid dependency `gone/id`",
            "write an artifact, per-machine/MACHINE/ARTIFACT, per-user/USER/ARTIFACT or shared/ARTIFACT",
        ),
        (
            json!(["id"]),
            "unknown dependency `id`: not an artifact of web1 (nixos), and not a shared one",
            "to read that of another target, write `dependencies = { id = \"per-machine/ctrl/id\"; };`",
        ),
        (
            json!(["tt"]),
            "unknown dependency `tt`: not an artifact of web1 (nixos), and not a shared one",
            "declare `artifacts.store.tt` there, or remove it from `dependencies`",
        ),
        (
            json!({"i": "per-machine/ctlr/id"}),
            "unknown dependency per-machine/ctlr/id: no target declares it",
            "did you mean per-machine/ctrl/id?",
        ),
        (
            json!({"i": "shared/something-else"}),
            "unknown dependency shared/something-else: no target declares it",
            "declare `artifacts.store.something-else` there, or remove it from `dependencies`",
        ),
        (
            json!({"i": "per-machine/../id"}),
            "invalid dependency `per-machine/../id`",
            "write an artifact, per-machine/MACHINE/ARTIFACT, per-user/USER/ARTIFACT or shared/ARTIFACT",
        ),
    ] {
        let problem = reads(&dependencies, &json!({})).unwrap_err();
        assert_eq!((problem.message.as_str(), problem.hint.as_str()), (message, hint), "{dependencies}");
    }
}

#[test]
fn what_a_failed_target_may_declare_is_unknown_and_no_mistake() {
    use artifacts_declared::TargetKind::{HomeManager, Nixos};
    let targets = [("web1", json!({"t": artifact(&json!({"dependencies": {"i": "per-machine/ctrl/id"}}))}))];
    let failed = |kind, name: &str| vec![(kind, name.to_owned())];
    for (unevaluated, is_unknown) in [
        (failed(Nixos, "ctrl"), true),
        // It may be a container inside.
        (failed(Nixos, "web2"), true),
        (failed(HomeManager, "ctrl"), false),
        (vec![], false),
    ] {
        let mut resolved = resolve(&targets);
        let unknown = resolved.take_unknown(&EntryOwners::new(&spec(&targets), unevaluated));
        assert_eq!(unknown.keys().any(|name| name.to_string() == "per-machine/ctrl/id"), is_unknown);
        assert_eq!(resolved.problems.is_empty(), is_unknown);
        assert_eq!(resolved.instances.len(), 1, "what it is itself stays known");
    }
}

#[test]
fn a_circle_over_two_machines_is_shown() {
    let of =
        |target: &str| json!({"t": artifact(&json!({"dependencies": {"other": format!("per-machine/{target}/t")}}))});
    let (ordered, problems) = order(&resolve(&[("a", of("b")), ("b", of("a"))]).instances);
    assert!(ordered.is_empty());
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "dependency cycle: per-machine/b/t -> per-machine/a/t -> per-machine/b/t",
            "dependency cycle: per-machine/a/t -> per-machine/b/t -> per-machine/a/t"
        ]
    );
}

fn one() -> artifacts_plan::Instance {
    resolve(&[("a", json!({"t": artifact(&json!({"validation": {"b": 1, "a": 2}}))}))])
        .instances
        .into_values()
        .next()
        .unwrap()
}

fn to(recipients: &[&str]) -> Recipients {
    Recipients::from_iter([("f".parse().unwrap(), recipients.iter().map(ToString::to_string).collect())])
}

fn checked(state: seam::CheckState) -> Said {
    Said::Checked { recipients: to(&["age1x"]), state }
}

fn found() -> Facts {
    Facts {
        backend: Some("agenix".into()),
        recipients: to(&["age1x"]),
        stored: Some(BTreeSet::from(["f".to_owned()])),
        validation: validation_hash(&json!({"a": 2, "b": 1})),
        ..Facts::default()
    }
}

fn kinds(state: &InstanceState) -> Vec<&'static str> {
    state.reasons().iter().map(|r| r.kind.as_str()).collect()
}

#[test]
fn absent_needs_both_and_everything_else_is_an_error() {
    use seam::CheckState::{Absent, Present, Stale};
    let is = |said: &Said, facts: Option<&Facts>| state(&one(), said, facts, 0);
    assert_eq!(is(&checked(Absent), None), InstanceState::Absent);
    assert_eq!(is(&checked(Present), Some(&found())), InstanceState::Present);
    for (said, facts) in [
        (checked(Absent), Some(found())),
        (checked(Present), None),
        (checked(Stale(vec![])), None),
        (Said::Failed("boom".into()), None),
        (Said::Failed("boom".into()), Some(found())),
    ] {
        assert!(matches!(is(&said, facts.as_ref()), InstanceState::Error(_)), "{said:?} {facts:?}");
    }
}

#[test]
fn each_difference_is_a_reason() {
    let is = |change: &dyn Fn(&mut Facts)| {
        let mut facts = found();
        change(&mut facts);
        kinds(&state(&one(), &checked(seam::CheckState::Present), Some(&facts), 1000))
    };
    assert_eq!(is(&|_| {}), Vec::<&str>::new());
    assert_eq!(is(&|f| f.receipt.push("no receipt".into())), ["receipt"]);
    assert_eq!(is(&|f| f.recipients = to(&["age1x", "age1y"])), ["recipients"]);
    assert_eq!(is(&|f| f.recipients = to(&[])), ["recipients"]);
    assert_eq!(is(&|f| f.validation = None), ["validation"]);
    assert_eq!(is(&|f| f.backend = Some("sops-nix".into())), ["backend"]);
    assert_eq!(is(&|f| f.strays.push(".DS_Store".into())), ["files"]);
    assert_eq!(is(&|f| f.public.push("old.pub".into())), ["files"]);
    assert_eq!(is(&|f| f.outdated.push("shared/ca was regenerated".into())), ["dependency"]);
}

#[test]
fn the_host_knows_from_its_receipt_which_files_were_stored() {
    let is = |stored: Option<&[&str]>, said: seam::CheckState| {
        let stored = stored.map(|files| files.iter().map(ToString::to_string).collect());
        kinds(&state(&one(), &checked(said), Some(&Facts { stored, ..found() }), 0))
    };
    let present = || seam::CheckState::Present;
    assert_eq!(is(Some(&["f"]), present()), Vec::<&str>::new());
    assert_eq!(is(Some(&[]), present()), ["files"], "never stored, whatever the backend says");
    assert_eq!(is(Some(&["f", "g"]), present()), ["files"], "no longer declared, whatever the backend says");
    assert_eq!(is(Some(&["g"]), present()), ["files", "files"]);
    assert_eq!(is(None, present()), Vec::<&str>::new(), "where no receipt tells, the backend does");
    // What both tell is reported once.
    let said = |text: &str| seam::CheckState::Stale(vec![("files".to_owned(), text.to_owned())]);
    assert_eq!(is(Some(&[]), said("`f.age` is declared but not stored")), ["files"]);
    assert_eq!(is(Some(&["f"]), said("`f.age` is declared but not stored")), ["files"]);
    assert_eq!(is(Some(&[]), said("`g.age` is damaged")), ["files", "files"]);
}

#[test]
fn it_expires_by_the_age_that_is_declared_now() {
    let is = |made: u64, max_age: Option<u64>| {
        let (mut instance, facts) = (one(), Facts { made: Some(made), ..found() });
        instance.artifact.max_age = max_age.map(artifacts_declared::Seconds);
        kinds(&state(&instance, &checked(seam::CheckState::Present), Some(&facts), 1000))
    };
    assert_eq!(is(900, Some(100)), ["expired"]);
    assert_eq!(is(901, Some(100)), Vec::<&str>::new());
    assert_eq!(is(1, Some(u64::MAX)), Vec::<&str>::new());
    assert_eq!(is(0, None), Vec::<&str>::new());
}

#[test]
fn a_backends_own_reasons_are_kept_and_unknown_kinds_count_as_format() {
    let said = checked(seam::CheckState::Stale(vec![("files".into(), "x".into()), ("whim".into(), "y".into())]));
    assert_eq!(kinds(&state(&one(), &said, Some(&found()), 0)), ["files", "format"]);
}

#[test]
fn blocked_and_on_target_ask_nobody() {
    let mut instance = one();
    assert_eq!(state(&instance, &Said::OnTarget, None, 0), InstanceState::OnTarget);
    instance.artifact.blocked = true;
    assert_eq!(state(&instance, &Said::Failed("not asked".into()), None, 0), InstanceState::Blocked);
}

#[test]
fn what_depends_on_what_can_be_drawn() {
    let artifacts = json!({"ca \"x\"": shared(&json!({})), "leaf": artifact(&json!({"dependencies": ["ca \"x\""]}))});
    let resolved = resolve(&[("web1", artifacts)]);
    let names = resolved.instances.keys().cloned().collect();
    let drawn = artifacts_plan::dot(&resolved.instances, &names);
    assert!(drawn.starts_with("digraph {") && drawn.contains("0 -> 1"), "{drawn}");
    assert!(drawn.contains(r#"label = "shared/ca \"x\"""#), "{drawn}");
    let drawn = artifacts_plan::mermaid(&resolved.instances, &names);
    assert!(drawn.starts_with("graph LR\n") && drawn.contains("n0 --> n1"), "{drawn}");
    assert!(drawn.contains("[\"shared/ca #34;x#34;\"]"), "{drawn}");
}
