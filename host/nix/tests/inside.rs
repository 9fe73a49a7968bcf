//! Configurations inside configurations: other forms of a machine, containers, microVMs, and users in any of them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use crate::common::{Bench, machine, name};
use artifacts_declared::{Spec, TargetKind};
use artifacts_nix::{Error, Evaluation};
use artifacts_text::Explain as _;

/// What each machine here imports, by itself or as the container that it is.
const BASE: &str = r#"({ lib, ... }: {
    imports = [ inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default
      inputs.home-manager.nixosModules.home-manager ];
    home-manager.sharedModules = [ inputs.artifacts.homeModules.default inputs.agenix.homeManagerModules.default
      { artifacts.hostKey = "age1user"; } ];
    artifacts = { root = ./.; default.backend = "agenix"; hostKey = "age1host"; };
  })"#;

/// A machine with a configuration of each kind inside, and users in each.
fn fleet(more: &str) -> String {
    let inner = |artifact: &str, user: &str| {
        format!(
            "{{ imports = [ {BASE} ]; artifacts.store.{artifact}.files.f = {{ }};
               home-manager.users.{user}.artifacts.store.key.files.f = {{ }}; }}"
        )
    };
    machine(
        "web1",
        &format!(
            r#"{BASE} {{
              artifacts.store.own.files.f = {{ }}; home-manager.users.alice.artifacts.store.key.files.f = {{ }};
              specialisation.game.configuration = {{
                artifacts.store.game.files.f = {{ }};
                home-manager.users.alice.artifacts.store.game.files.f = {{ }};
                containers.late.config = {{ imports = [ {BASE} ]; artifacts.store.own.files.f = {{ }}; }};
              }};
              containers = {{ db.config = {}; path.path = "/machine"; bare.config = {{ }}; }};
              microvm.vms = {{ vm.config = {}; elsewhere.flake = {{ }}; }};
            }} {more}"#,
            inner("pg", "bob"),
            inner("own", "carol"),
        ),
    )
}

fn instances(spec: &Spec) -> BTreeSet<String> {
    let of = |target: &artifacts_declared::Target| {
        let names = target.artifacts.iter().map(|(artifact, declared)| target.instance(artifact, declared).to_string());
        names.collect::<Vec<_>>()
    };
    spec.targets.iter().flat_map(of).collect()
}

fn messages(evaluation: &Evaluation) -> Vec<&str> {
    evaluation.problems.iter().map(|problem| problem.message.as_str()).collect()
}

const ALL: [&str; 8] = [
    "per-machine/db/pg",
    "per-machine/late/own",
    "per-machine/vm/own",
    "per-machine/web1/game",
    "per-machine/web1/own",
    "per-user/alice@web1/game",
    "per-user/alice@web1/key",
    "per-user/bob@db/key",
];

#[test]
fn a_form_belongs_to_its_machine_and_what_is_a_machine_of_its_own_names_itself() {
    let bench = Bench::new();
    bench.flake(&fleet(""));
    let evaluation = bench.evaluate();
    assert_eq!((evaluation.failures.len(), messages(&evaluation)), (0, vec![]), "{:?}", evaluation.failures);
    let expected = ALL.into_iter().chain(["per-user/carol@vm/key"]).map(str::to_owned).collect();
    assert_eq!(instances(&evaluation.spec), expected);
    assert!(evaluation.exported.values().all(|exported| exported.name == "web1"), "{:?}", evaluation.exported);
    assert_eq!(evaluation.exported.len(), 7);
}

#[test]
fn every_instance_that_a_module_names_is_one_that_is_declared() {
    let bench = Bench::new();
    bench.flake(&fleet(""));
    // As the modules and the assertions of each configuration have it, all the way down.
    let named = r"machine: let
        of = config: map (one: one.instance) (builtins.attrValues (config.artifacts.store or { })) ++ map (one: one.artifact.instance) (config.artifacts.expected or [ ]);
        users = config: builtins.concatMap of (builtins.attrValues (config.home-manager.users or { }));
        all = config: of config ++ users config;
        inside = config: all config ++ builtins.concatMap (one: all one.config) [ config.containers.db ];
      in inside machine.config ++ inside machine.config.specialisation.game.configuration
        ++ all machine.config.specialisation.game.configuration.containers.late.config
        ++ all machine.config.microvm.vms.vm.config.config";
    let named = bench.eval_json("nixosConfigurations.web1", named);
    let named: BTreeSet<String> = serde_json::from_value(named).unwrap();
    assert_eq!(named, instances(&bench.evaluate().spec));
    // A selector of each evaluates what has it.
    let flake = bench.flake_ref();
    for instance in named {
        let targets = flake.targets_of(&instance).unwrap_or_default();
        let targets = if targets.is_empty() { flake.targets() } else { &targets };
        assert!(instances(&flake.evaluate(targets).unwrap().spec).contains(&instance), "{instance}");
    }
}

/// A machine that has a configuration of each kind in each other one in which NixOS takes it.
fn nest() -> String {
    let store = |artifact: &str| format!("artifacts.store.{artifact}.files.f = {{ }};");
    let vm = |artifact: &str| {
        let (own, of_user) = (store(artifact), store(&format!("user-{artifact}")));
        format!("virtualisation.vmVariant = {{ {own} home-manager.users.dave = {{ {of_user} }}; }};")
    };
    let inner = |more: &str| format!("{{ imports = [ {BASE} ]; {} {more} }}", store("own"));
    let (in_vm, in_db, in_micro, in_form) = (vm("deep"), inner(&vm("in-db")), inner(&vm("in-micro")), vm("in-late"));
    let in_vm = inner(&format!("{in_vm} specialisation.s.configuration = {{ {} }};", store("s")));
    let in_form = inner(&format!("{in_form} home-manager.users.erin = {{ {} }};", store("key")));
    let in_boot = inner(&format!("virtualisation.vmVariant.home-manager.users.frank = {{ {} }};", store("key")));
    let own = store("own");
    machine(
        "web1",
        &format!(
            "{BASE} {{ {own} }} {{ {} }} {{
              virtualisation.vmVariant.containers.only.config = {in_vm};
              virtualisation.vmVariantWithBootLoader.microvm.vms.boot.config = {in_boot};
              specialisation.game.configuration.containers.late.config = {in_form};
              containers.db.config = {in_db};
              microvm.vms.micro.config = {in_micro};
            }}",
            vm("trial")
        ),
    )
}

#[test]
fn what_is_inside_anything_is_declared_wherever_it_is() {
    let bench = Bench::new();
    bench.flake(&nest());
    let evaluation = bench.evaluate();
    assert_eq!((evaluation.failures.len(), messages(&evaluation)), (0, vec![]), "{:?}", evaluation.failures);
    let machines = ["boot", "db", "late", "micro", "only", "web1"].map(|target| format!("per-machine/{target}/own"));
    let of_vms = [("db", "in-db"), ("late", "in-late"), ("micro", "in-micro"), ("only", "deep"), ("web1", "trial")];
    let of_vms = of_vms.map(|(target, artifact)| {
        [format!("per-machine/{target}/{artifact}"), format!("per-user/dave@{target}/user-{artifact}")]
    });
    let others = ["per-machine/only/s", "per-user/erin@late/key", "per-user/frank@boot/key"].map(str::to_owned);
    let expected = machines.into_iter().chain(of_vms.into_iter().flatten()).chain(others);
    assert_eq!(instances(&evaluation.spec), expected.collect::<BTreeSet<_>>());
    // In the VM of a container, as in that of a machine, everything is made there.
    for (target, artifact) in [("db", "in-db"), ("late", "in-late"), ("dave@only", "user-deep")] {
        let target = evaluation.spec.targets.iter().find(|one| one.name.as_str() == target).unwrap();
        assert_eq!(target.artifacts[&name(artifact)].backend, Some(name("dummy")), "{}", target.name);
    }
    // A selector of each evaluates what has it.
    let flake = bench.flake_ref();
    for instance in ["per-machine/db/in-db", "per-user/dave@late/user-in-late"] {
        let targets = flake.targets_of(instance).unwrap_or_default();
        let targets = if targets.is_empty() { flake.targets() } else { &targets };
        assert!(instances(&flake.evaluate(targets).unwrap().spec).contains(instance), "{instance}");
    }
}

#[test]
fn one_name_in_two_forms_is_one_declaration() {
    let form = |more: &str| {
        let bench = Bench::new();
        let own = "{ artifacts.store.a = { files.f = { }; prompts.p = { description = lib.mkDefault \"p\"; }; validation = lib.mkDefault 1;
            generator = lib.mkDefault (pkgs.writers.writeBash \"g\" \"true\"); }; artifacts.store.ca.files.f = { }; }";
        bench.flake(&machine(
            "web1",
            &format!(
                "{BASE} ({{ lib, pkgs, ... }}: {own}) {{ specialisation.game.configuration = {{ lib, pkgs, ... }}: {{ {more} }}; }}"
            ),
        ));
        let evaluation = bench.evaluate();
        assert_eq!(evaluation.spec.targets.len(), 1, "{:?}", evaluation.failures);
        let problems: Vec<_> = evaluation.problems.into_iter().filter(|problem| !problem.warning).collect();
        problems.into_iter().map(|problem| (problem.artifacts, problem.message)).collect::<Vec<_>>()
    };
    for (field, change) in [
        ("files", "artifacts.store.a.files.g = { };"),
        ("files", "artifacts.store.a.files.f.deploy = false; artifacts.recipients.alice = lib.mkForce \"age1alice\";"),
        ("prompts", "artifacts.store.a.prompts.p.description = \"q\";"),
        ("validation", "artifacts.store.a.validation = 2;"),
        ("generator", "artifacts.store.a.generator = pkgs.writers.writeBash \"g\" \"false\";"),
        ("dependencies", "artifacts.store.a.dependencies = [ \"ca\" ];"),
        ("shared", "artifacts.store.a.shared = true;"),
        ("backend", "artifacts.store.a.backend = \"dummy\";"),
        ("rotation", "artifacts.store.a.rotation = \"manual\";"),
        ("timeout", "artifacts.store.a.timeout = \"1min\";"),
    ] {
        let found = form(change);
        let (artifacts, message) = found
            .iter()
            .find(|(_, message)| message.starts_with(&format!("artifacts.store.a.{field}: ")))
            .unwrap_or_else(|| panic!("{change}: {found:?}"));
        assert_eq!(artifacts.as_slice(), ["a"]);
        let both = "it differs between nixosConfigurations.web1 and nixosConfigurations.web1, its specialisation game";
        assert!(message.contains(both), "{message}");
    }
    let key = form("artifacts.hostKey = lib.mkForce \"age1other\";");
    assert!(key.iter().any(|(_, message)| message.starts_with("artifacts.hostKey: it differs")), "{key:?}");
    // Where a file is, and whose, is each form's own.
    assert_eq!(
        form("artifacts.store.a.files.f = { path = \"/x\"; mode = \"0440\"; owner = \"0\"; group = \"0\"; };"),
        []
    );
    assert_eq!(form("artifacts.store.a.files.f.restartUnits = [ \"a.service\" ];"), []);
}

#[test]
fn two_targets_of_one_name_name_both_places_and_the_line_to_set() {
    let taken = |inside: &str, more: &str| {
        let bench = Bench::new();
        let inner = format!("{{ imports = [ {BASE} ]; artifacts.store.a.files.f = {{ }}; }}");
        let inside = inside.replace("INNER", &inner);
        bench.flake(&format!("{} {more}", machine("web1", &format!("{BASE} {{ {inside} }}"))));
        let flake = bench.flake_ref();
        match flake.evaluate(flake.targets()) {
            Err(error @ Error::Twice { .. }) => (error.to_string(), error.hint().unwrap()),
            other => panic!("{other:?}"),
        }
    };
    let (error, hint) = taken("containers.db.config = INNER;", &machine("db", "{ artifacts.store.a.files.f = { }; }"));
    let places =
        "two nixos targets are named `db`: nixosConfigurations.db and nixosConfigurations.web1, its container db";
    assert_eq!(error, places);
    assert_eq!(hint, "set artifacts.target = \"web1-db\"; in nixosConfigurations.web1, its container db");
    // A container that is called like its own machine, and one like a microVM.
    let (error, hint) = taken("containers.web1.config = INNER;", "");
    assert!(error.contains("nixosConfigurations.web1 and nixosConfigurations.web1, its container web1"), "{error}");
    assert!(
        hint.contains("artifacts.target = \"web1-web1\"; in nixosConfigurations.web1, its container web1"),
        "{hint}"
    );
    let (error, _) = taken("containers.x.config = INNER; microvm.vms.x.config = INNER;", "");
    assert!(error.contains("its container x") && error.contains("its microVM x"), "{error}");
}

#[test]
fn a_form_that_takes_itself_for_another_machine_says_so() {
    let bench = Bench::new();
    let form = "({ lib, ... }: { specialisation.game.configuration = { networking.hostName = lib.mkForce \"game\"; artifacts.store.b.files.f = { }; }; })";
    bench.flake(&machine("web1", &format!("{BASE} {{ artifacts.store.a.files.f = {{ }}; }} {form}")));
    let evaluation = bench.evaluate();
    let [failure] = evaluation.failures.as_slice() else { panic!("{:?}", evaluation.failures) };
    let (error, hint) = (failure.error.to_string(), failure.error.hint().unwrap());
    assert!(error.contains("its specialisation game: `artifacts.target` is `game`"), "{error}");
    assert!(hint.contains("artifacts.target = \"web1\""), "{hint}");
    assert!(instances(&evaluation.spec).contains("per-machine/web1/a"));
}

#[test]
fn what_does_not_evaluate_inside_a_machine_stops_nothing_else() {
    let bench = Bench::new();
    let more = "({ config, ... }: { specialisation.broken.configuration.artifacts.store.x.files.f.path = config.no.form;
        containers.broken.config.imports = [ inputs.none ];
        microvm.vms.odd.config = { imports = [ inputs.artifacts.nixosModules.default ]; artifacts.default.backend = \"agenix\";
          artifacts.store.\"../up\".files.f = { }; }; })";
    bench.flake(&fleet(more));
    let evaluation = bench.evaluate();
    let expected = ALL.into_iter().chain(["per-user/carol@vm/key"]).map(str::to_owned).collect();
    assert_eq!(instances(&evaluation.spec), expected);
    let failures: Vec<_> =
        evaluation.failures.iter().map(|one| (one.kind, one.name.as_str(), one.error.to_string())).collect();
    for ((kind, name, error), (expected, text, place)) in failures.iter().zip([
        ("broken", "attribute 'none' missing", "its container broken"),
        ("odd", "slash", "nixosConfigurations.web1"),
        ("web1", "attribute 'no' missing", "evaluating nixosConfigurations.web1, its specialisation broken"),
    ]) {
        assert_eq!((*kind, *name), (TargetKind::Nixos, expected));
        assert!(error.contains(text) && error.contains(place), "{name}: {error}");
    }
    assert_eq!(failures.len(), 3, "{failures:?}");
}

#[test]
fn what_blocks_an_artifact_is_told_wherever_it_is_declared() {
    let bench = Bench::new();
    let blocked = |why: &str| format!("artifacts.store.waits = {{ files.f = {{ }}; backend = throw \"{why}\"; }};");
    let more = format!(
        "{{ specialisation.game.configuration = {{ {} home-manager.users.alice = {{ {} }}; }}; containers.db.config = {{ {} }}; }}",
        blocked("in the form"),
        blocked("in the user's form"),
        blocked("in the container")
    );
    bench.flake(&fleet(&more));
    let (evaluation, flake) = (bench.evaluate(), bench.flake_ref());
    for (target, why) in [("web1", "in the form"), ("alice@web1", "in the user's form"), ("db", "in the container")] {
        let owner = evaluation.spec.targets.iter().find(|one| one.name.as_str() == target).unwrap();
        assert!(owner.artifacts[&name("waits")].blocked, "{target}");
        let told = flake.why_blocked(&evaluation.exported[&owner.id()], owner, "waits").unwrap();
        assert!(told.contains(why), "{target}: {told}");
    }
}

#[test]
fn a_vm_for_trying_makes_everything_itself() {
    let bench = Bench::new();
    let vm = |more: &str| format!("{{ virtualisation.vmVariant = {{ lib, ... }}: {{ {more} }}; }}");
    let backends = r"machine: let vm = machine.config.virtualisation.vmVariant; in map (config: config.artifacts.store.own.backend or config.artifacts.store.key.backend) [ vm vm.home-manager.users.alice machine.config ]";
    bench.flake(&fleet(""));
    assert_eq!(bench.eval_json("nixosConfigurations.web1", backends), serde_json::json!(["dummy", "dummy", "agenix"]));
    // Nothing that is only there is stored, and nothing there is compared; yet whatever a module names is listed.
    bench.flake(&fleet(&vm("artifacts.store.trial.files.f = { }; artifacts.store.own.timeout = 5; artifacts.hostKey = lib.mkForce \"age1vm\";")));
    let evaluation = bench.evaluate();
    assert_eq!((evaluation.failures.len(), messages(&evaluation)), (0, vec![]), "{:?}", evaluation.failures);
    let web1 = evaluation.spec.targets.iter().find(|one| one.name.as_str() == "web1").unwrap();
    assert_eq!(web1.artifacts[&name("trial")].backend, Some(name("dummy")));
    assert_eq!(
        (&web1.artifacts[&name("own")].backend, web1.artifacts[&name("own")].timeout),
        (&Some(name("agenix")), None)
    );
    // Who tries stored files in it declares them like the machine.
    bench.flake(&fleet(&vm(
        "artifacts.testMachine = false; artifacts.store.own.timeout = 5; artifacts.store.trial.files.f = { };",
    )));
    let evaluation = bench.evaluate();
    let own = "artifacts.store.own.timeout: it differs between nixosConfigurations.web1 and nixosConfigurations.web1, its VM variant vmVariant";
    assert!(messages(&evaluation).iter().any(|message| message.starts_with(own)), "{:?}", evaluation.problems);
    let web1 = evaluation.spec.targets.iter().find(|one| one.name.as_str() == "web1").unwrap();
    assert_eq!(web1.artifacts[&name("trial")].backend, Some(name("agenix")));
}

#[test]
fn a_vm_that_nobody_changes_is_not_evaluated() {
    let bench = Bench::new();
    let costly = "({ config, lib, options, ... }: { artifacts.store.x.files = lib.mkIf (config.system.build ? vm) (throw \"evaluated\"); })";
    bench.flake(&fleet(costly));
    let evaluation = bench.evaluate();
    assert!(evaluation.spec.targets.iter().all(|one| one.artifacts.values().all(|artifact| !artifact.blocked)));
    assert_eq!(
        messages(&evaluation),
        [
            "artifacts.store.x.files: no files; declare at least one, for example artifacts.store.x.files.password = { };"
        ]
    );
}

#[test]
fn generators_inside_are_for_the_admins_system() {
    let bench = Bench::new();
    let makes = "({ pkgs, ... }: { artifacts.store.made = { files.f = { }; generator = pkgs.writers.writeBash \"g\" \"true\"; }; })";
    let more = format!(
        "{{ nixpkgs.hostPlatform = \"aarch64-linux\"; containers.db.config.imports = [ {makes} ]; microvm.vms.vm.config.imports = [ {makes} ];
           specialisation.game.configuration.imports = [ {makes} ]; }}"
    );
    bench.flake(&fleet(&more));
    let spec = bench.evaluate().spec;
    for target in ["web1", "db", "vm"] {
        let target = spec.targets.iter().find(|one| one.name.as_str() == target).unwrap();
        assert_eq!(target.system.as_deref(), Some("aarch64-linux"));
        let generator = target.artifacts[&name("made")].generator.as_ref().unwrap();
        assert_eq!(generator.system.as_deref(), Some("x86_64-linux"), "{}", target.name);
    }
}
