//! What people type, and what it means.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeSet;

use artifacts_declared::InstanceName;
use artifacts_plan::{Selector, SelectorError, SelectorKind, select, select_strictly};
use artifacts_text::Explain as _;
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// Two machines and a user, and what is shared.
const FLEET: [&str; 9] = [
    "per-machine/db1/postgres",
    "per-machine/db1/tls",
    "per-machine/web1/attic",
    "per-machine/web1/tls",
    "per-machine/web2/tls",
    "per-user/alice@web1/ssh",
    "per-user/bob/ssh",
    "shared/ca",
    "shared/tls",
];

fn names(texts: &[&str]) -> BTreeSet<InstanceName> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// What a selector means among these names, in one line; with `!` what is wrong with it.
fn meant(texts: &[&str], selector: &str) -> String {
    let names = names(texts);
    match Selector::new(selector).resolve(&names.iter().collect()) {
        Ok(meaning) => shown(&meaning.names),
        Err(error) => format!("! {error}; {}", error.hint().unwrap()),
    }
}

fn shown(names: &BTreeSet<InstanceName>) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_form_means_what_it_says() {
    for (selector, expected) in [
        ("web1", "per-machine/web1/attic per-machine/web1/tls"),
        ("bob", "per-user/bob/ssh"),
        ("alice@web1", "per-user/alice@web1/ssh"),
        ("attic", "per-machine/web1/attic"),
        ("tls", "per-machine/db1/tls per-machine/web1/tls per-machine/web2/tls shared/tls"),
        ("web1/attic", "per-machine/web1/attic"),
        ("per-machine/web1/attic", "per-machine/web1/attic"),
        ("bob/ssh", "per-user/bob/ssh"),
        ("per-user/bob/ssh", "per-user/bob/ssh"),
        ("shared/ca", "shared/ca"),
        ("web1/", "per-machine/web1/attic per-machine/web1/tls"),
        ("per-machine/web1/", "per-machine/web1/attic per-machine/web1/tls"),
        ("per-machine/web1", "per-machine/web1/attic per-machine/web1/tls"),
        ("per-user/", "per-user/alice@web1/ssh per-user/bob/ssh"),
        ("per-user", "per-user/alice@web1/ssh per-user/bob/ssh"),
        ("shared/", "shared/ca shared/tls"),
        ("shared", "shared/ca shared/tls"),
        ("*/tls", "per-machine/db1/tls per-machine/web1/tls per-machine/web2/tls shared/tls"),
        ("web?/tls", "per-machine/web1/tls per-machine/web2/tls"),
        ("web?", "per-machine/web1/attic per-machine/web1/tls per-machine/web2/tls"),
        ("web[2-9]/", "per-machine/web2/tls"),
        ("p*g*", "per-machine/db1/postgres"),
        ("per-*/*1/tls", "per-machine/db1/tls per-machine/web1/tls"),
        ("per-machine/d*", "per-machine/db1/postgres per-machine/db1/tls"),
        ("*@*", "per-user/alice@web1/ssh"),
    ] {
        assert_eq!(meant(&FLEET, selector), expected, "{selector}");
    }
    assert_eq!(meant(&FLEET, "*"), shown(&names(&FLEET)));
    assert_eq!(meant(&FLEET, "*/*/*").split(' ').count(), 7, "a star stays in its component");
}

#[test]
fn what_means_nothing_is_an_error_with_what_was_meant() {
    for (selector, meant_instead) in [
        ("attc", "did you mean `attic`?"),
        ("web3", "did you mean `web1`?"),
        ("web3/", "did you mean `web1/`?"),
        ("web1/atic", "did you mean `web1/attic`?"),
        ("per-machine/web3/", "did you mean `per-machine/web1/`?"),
        ("per-machine/web1/atic", "did you mean `per-machine/web1/attic`?"),
        ("sharde/ca", "did you mean `shared/ca`?"),
        ("backup", "`artifacts status --all` lists all names"),
        ("", "`artifacts status --all` lists all names"),
        ("/", "`artifacts status --all` lists all names"),
        ("*/backup", "`artifacts status --all` lists all names"),
        ("web1/attic/env/x", "`artifacts status --all` lists all names"),
    ] {
        let expected = format!("! no artifact matches this selector; {meant_instead}");
        assert_eq!(meant(&FLEET, selector), expected, "{selector}");
    }
}

#[test]
fn a_suggestion_is_quoted_for_the_shell() {
    assert!(meant(&["per-machine/m/$(id)"], "$(di)").ends_with("did you mean `'$(id)'`?"));
}

#[test]
fn a_word_that_names_a_target_and_an_artifact_shows_both_forms() {
    let one = ["per-machine/db1/web1", "per-machine/web1/attic"];
    let both = "! names the machine and the artifact; pass `per-machine/web1/` for the machine, or";
    assert_eq!(meant(&one, "web1"), format!("{both} `per-machine/db1/web1` for the artifact"));
    assert_eq!(meant(&one, "per-machine/web1/"), one[1]);
    assert_eq!(meant(&one, "web1/"), one[1]);
    assert_eq!(meant(&one, "db1/web1"), one[0]);
    let two = ["per-machine/db1/web1", "per-machine/web1/web1", "shared/web1"];
    assert_eq!(meant(&two, "web1"), format!("{both} `'*/web1'` for the artifact"));
    assert_eq!(meant(&two, "*/web1"), shown(&names(&two)));
    // Also where both are the same today: tomorrow the machine may have another artifact.
    assert!(meant(&["per-machine/web1/web1"], "web1").starts_with(both));
    // A pattern is no better than a name.
    assert!(meant(&one, "we*").starts_with("! names the machine and the artifact; pass `'per-machine/we*/'`"));
}

#[test]
fn a_machine_may_be_called_as_a_directory_of_the_storage() {
    let fleet = ["per-machine/per-machine/x", "per-machine/shared/ca", "per-machine/x/y", "shared/ca", "shared/cb"];
    assert_eq!(meant(&fleet, "shared/ca"), "shared/ca", "the full form comes first");
    assert_eq!(meant(&fleet, "per-machine/shared/ca"), "per-machine/shared/ca");
    assert_eq!(meant(&fleet, "shared/"), "shared/ca shared/cb");
    assert_eq!(meant(&fleet, "per-machine/shared/"), "per-machine/shared/ca");
    let both = "! names the machine and all shared artifacts; pass `per-machine/shared/` for the machine, or";
    assert_eq!(meant(&fleet, "shared"), format!("{both} `shared/` for all shared artifacts"));
    assert!(meant(&fleet, "per-machine/x").starts_with("! names the machine's artifact and the machine;"));
    // Where nothing is shared, it is an ordinary name.
    assert_eq!(meant(&["per-machine/shared/ca"], "shared/ca"), "per-machine/shared/ca");
    assert_eq!(meant(&["per-machine/shared/ca"], "shared"), "per-machine/shared/ca");
}

#[test]
fn a_name_of_a_user_and_a_machine_is_both_and_not_where_values_are_replaced() {
    let fleet = ["per-machine/a/ssh", "per-machine/a/tls", "per-user/a/ssh"];
    let names = names(&fleet);
    let names: BTreeSet<&InstanceName> = names.iter().collect();
    for (selector, expected) in [("a", &fleet[..]), ("a/", &fleet[..]), ("a/ssh", &[fleet[0], fleet[2]][..])] {
        assert_eq!(meant(&fleet, selector), expected.join(" "));
        let (chosen, errors) = select_strictly(&names, &[Selector::new(selector)]);
        assert!(chosen.is_empty() && matches!(errors.as_slice(), [SelectorError::Ambiguous { .. }]), "{errors:?}");
    }
    let (_, errors) = select_strictly(&names, &[Selector::new("a/ssh")]);
    assert_eq!(
        format!("{}; {}", errors[0], errors[0].hint().unwrap()),
        "names the machine's artifact and the user's artifact; pass `per-machine/a/ssh` for the machine's artifact, or \
         `per-user/a/ssh` for the user's artifact"
    );
    for clear in ["per-machine/a/", "per-user/a/ssh", "a/tls", "ssh", "*/ssh"] {
        assert!(select_strictly(&names, &[Selector::new(clear)]).1.is_empty(), "{clear}");
    }
}

#[test]
fn names_are_taken_before_patterns_and_patterns_can_be_quoted() {
    let fleet =
        ["per-machine/a*/t", "per-machine/ab/t", "per-machine/m/$(id)", "per-machine/m/a b", "per-machine/m/w?"];
    for (selector, expected) in [
        ("a*", "per-machine/a*/t"),
        ("a*/", "per-machine/a*/t"),
        ("a*/t", "per-machine/a*/t"),
        ("a[*]/t", "per-machine/a*/t"),
        (r"a\*/t", "per-machine/a*/t"),
        ("a?/t", "per-machine/a*/t per-machine/ab/t"),
        ("w?", "per-machine/m/w?"),
        ("m/$(id)", "per-machine/m/$(id)"),
        ("$(id)", "per-machine/m/$(id)"),
        ("a b", "per-machine/m/a b"),
        ("m/a*", "per-machine/m/a b"),
    ] {
        assert_eq!(meant(&fleet, selector), expected, "{selector}");
    }
    let both = ["per-machine/a*/t", "per-machine/m/a*", "per-machine/n/a*"];
    let forms = r"pass `'per-machine/a*/'` for the machine, or `'*/a\*'` for the artifact";
    assert_eq!(meant(&both, "a*"), format!("! names the machine and the artifact; {forms}"));
    assert_eq!(meant(&both, r"*/a\*"), "per-machine/m/a* per-machine/n/a*");
}

#[test]
fn none_means_all_and_one_that_fails_stops_no_other() {
    let names = names(&FLEET);
    let names: BTreeSet<&InstanceName> = names.iter().collect();
    assert_eq!(select(&names, &[]).0.len(), FLEET.len());
    let (chosen, errors) = select(&names, &["ca", "attc", "attic"].map(Selector::new));
    assert_eq!((shown(&chosen).as_str(), errors.len()), ("per-machine/web1/attic shared/ca", 1));
    assert_eq!(errors[0].selector().as_str(), "attc");
}

#[test]
fn the_kind_says_whether_one_thing_is_named() {
    let names = names(&FLEET);
    let kind = |text: &str| Selector::new(text).resolve(&names.iter().collect()).unwrap().kind;
    assert_eq!(kind("web1/tls"), SelectorKind::Instance);
    assert_eq!(kind("tls"), SelectorKind::Artifact);
    assert_eq!(kind("web1"), SelectorKind::Target);
    assert_eq!(kind("shared/"), SelectorKind::Scope);
    assert_eq!(kind("attic*"), SelectorKind::Pattern);
}

/// Names out of few characters, so that they meet.
fn fleet() -> impl Strategy<Value = BTreeSet<InstanceName>> {
    let word = prop_oneof!["[ab*?\\[]{1,3}", Just("shared".to_owned()), Just("per-machine".to_owned())];
    let name = (0..3, word.clone(), word).prop_map(|(scope, target, artifact)| match scope {
        0 => format!("per-machine/{target}/{artifact}"),
        1 => format!("per-user/{target}/{artifact}"),
        _ => format!("shared/{artifact}"),
    });
    proptest::collection::btree_set(name.prop_map(|name| name.parse().unwrap()), 1..8)
}

proptest! {
    #[test]
    fn a_full_name_means_itself_alone(names in fleet()) {
        let all: BTreeSet<&InstanceName> = names.iter().collect();
        for name in &names {
            let meaning = Selector::new(name.to_string()).resolve_strictly(&all).unwrap();
            prop_assert_eq!(meaning.names, BTreeSet::from([name.clone()]));
        }
    }

    #[test]
    fn a_short_name_means_its_instances_or_is_an_error(names in fleet()) {
        let all: BTreeSet<&InstanceName> = names.iter().collect();
        for name in &names {
            let short = name.components().split_first().unwrap().1.join("/");
            if let Ok(meaning) = Selector::new(short.as_str()).resolve(&all)
                && name.components().len() == 3
                && !short.starts_with("shared/")
            {
                prop_assert!(meaning.names.contains(name), "{} {:?}", short, meaning);
            }
        }
    }

    #[test]
    fn each_form_of_an_error_has_one_meaning(names in fleet(), word in "[ab*?]{1,3}") {
        let all: BTreeSet<&InstanceName> = names.iter().collect();
        let typed = Selector::new(word);
        if let Err(error @ SelectorError::Ambiguous { .. }) = typed.resolve_strictly(&all) {
            let hint = error.hint().unwrap();
            let forms = hint.split('`').skip(1).step_by(2).map(|form| form.trim_matches('\''));
            for form in forms {
                let meaning = Selector::new(form).resolve_strictly(&all);
                prop_assert!(meaning.is_ok(), "{}: {} {:?}", typed, form, meaning);
            }
        }
    }

    #[test]
    fn any_text_is_a_selector(names in fleet(), text in proptest::prelude::any::<String>()) {
        let all: BTreeSet<&InstanceName> = names.iter().collect();
        let (chosen, errors) = select(&all, &[Selector::new(text)]);
        prop_assert!(chosen.is_empty() != errors.is_empty());
        prop_assert!(chosen.is_subset(&names));
    }
}
