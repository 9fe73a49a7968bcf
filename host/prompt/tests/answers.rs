//! Answers from a file: strict, and never quoted in an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::sync::Arc;

use artifacts_declared::{InstanceName, Name, PromptKind};
use artifacts_prompt::{AnswersFile, AnswersFormat, Error, PromptRequest, ask_all};
use artifacts_text::Explain;
use proptest::prelude::*;

const INSTANCE: &str = "per-machine/web1/attic";

fn instance(text: &str) -> InstanceName {
    text.parse().unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn question(of: &str, prompt: &str, description: Option<&str>, kind: PromptKind) -> PromptRequest {
    let description = description.map(str::to_owned);
    PromptRequest {
        instance: instance(of),
        shown: of.to_owned(),
        prompt: name(prompt),
        description,
        details: Vec::new(),
        needs: std::collections::BTreeSet::new(),
        earlier: None,
        kind,
        required: kind.is_hidden(),
    }
}

fn value(answers: &AnswersFile, of: &str, prompt: &str) -> Option<String> {
    answers.get(&instance(of), &name(prompt), true).map(|value| String::from_utf8(value.expose().to_vec()).unwrap())
}

fn refused(text: &str) -> Arc<Error> {
    let first = |file: AnswersFile| file.faults(&[], false).into_iter().next().unwrap().error;
    let error = AnswersFile::parse(text).map_or_else(Arc::new, first);
    for shown in [error.to_string(), format!("{error:?}"), error.hint().unwrap()] {
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    error
}

#[test]
fn both_formats_are_read_and_values_taken_as_they_stand() {
    let toml =
        "[\"per-machine/web1/attic\"]\npin = \"12\\n34 \"\n\"two words\" = \"\"\"\na\nb\n\"\"\"\n[\"shared/ca\"]\n";
    let json = r#"{ "per-machine/web1/attic": { "pin": "12\n34 ", "two words": "a\nb\n" }, "shared/ca": {} }"#;
    for text in [toml, json] {
        let answers = AnswersFile::parse(text).unwrap();
        assert_eq!(value(&answers, INSTANCE, "pin").unwrap(), "12\n34 ");
        assert_eq!(value(&answers, INSTANCE, "two words").unwrap(), "a\nb\n");
        assert_eq!(value(&answers, INSTANCE, "other"), None);
        assert_eq!(value(&answers, "shared/ca", "pin"), None);
    }
    assert!(AnswersFile::parse("").is_ok());
    assert!(AnswersFile::parse("{}").is_ok());
    assert!(AnswersFile::parse(&format!(" \n{json}\n")).is_ok());
}

#[test]
fn a_blank_answer_is_none_where_a_value_is_required() {
    let answers = AnswersFile::parse("[\"shared/ca\"]\na = \"\"\nb = \" \\n\"\n").unwrap();
    for prompt in ["a", "b"] {
        let given = |is_required| answers.get(&instance("shared/ca"), &name(prompt), is_required).is_some();
        assert!(!given(true) && given(false), "{prompt}");
    }
    let (ca, a, b) = (instance("shared/ca"), name("a"), name("b"));
    let check = |required: [bool; 2]| answers.faults(&[(&ca, &a, required[0]), (&ca, &b, required[1])], true);
    assert!(check([false, false]).is_empty());
    let error = &check([true, true])[0].error;
    assert_eq!(error.to_string(), "answers file: no value for \"shared/ca\".\"a\", \"shared/ca\".\"b\"");
    assert!(error.hint().unwrap().contains("make the line a comment"));
    assert_eq!(check([false, true])[0].error.to_string(), "answers file: no value for \"shared/ca\".\"b\"");
}

#[test]
fn a_value_of_another_type_is_refused_with_its_place() {
    for (value, found) in [
        ("31337", "a number"),
        ("3.1337", "a number"),
        ("true", "a boolean"),
        ("[\"s3cret\"]", "a list"),
        ("null", "null"),
        ("{\"a\": \"s3cret\"}", "a table"),
    ] {
        let error = refused(&format!("{{\"{INSTANCE}\": {{\"pin\": {value}}}}}"));
        let place = format!("answers file: at \"{INSTANCE}\".\"pin\": expected a string in quotes, found {found}");
        assert_eq!(error.to_string(), place);
        assert!(!format!("{error:?}").contains("1337"));
    }
    assert!(refused("pin = \"s3cret\"").to_string().contains("at \"pin\": expected a table"));
    assert!(matches!(*refused("\"s3cret\""), Error::Syntax { .. }));
    let date = format!("[\"{INSTANCE}\"]\npin = 1979-05-27T07:32:00Z");
    assert!(matches!(*refused(&date), Error::Type { .. }));
}

#[test]
fn broken_text_is_refused_with_line_and_column() {
    for (text, format, line) in [
        ("[a]\npin = s3cret\n", AnswersFormat::Toml, 2),
        ("[a]\npin = \"s3cret\n", AnswersFormat::Toml, 2),
        ("[a]\npin = \"s3cret\" s3cret\n", AnswersFormat::Toml, 2),
        ("[a]\npin = \"s3cret\"\npin = \"s3cret\"\n", AnswersFormat::Toml, 3),
        ("[a]\ns3cret\n", AnswersFormat::Toml, 2),
        ("{\"a\":\n {\"pin\": s3cret}}", AnswersFormat::Json, 2),
        ("{\"a\":\n {\"pin\": \"s3cret", AnswersFormat::Json, 2),
        ("{}\n{\"s3cret\": 1}", AnswersFormat::Json, 2),
    ] {
        match &*refused(text) {
            Error::Syntax { line: found, format: taken, .. } => assert_eq!((*found, *taken), (line, format), "{text}"),
            other => panic!("{text}: {other}"),
        }
    }
}

#[test]
fn one_place_has_one_value() {
    let twice = r#"{"a": {"pin": "s3cret", "pin": "s3cret"}}"#;
    assert_eq!(refused_plainly(twice), "answers file: duplicate key \"a\".\"pin\"");
    assert_eq!(refused_plainly(r#"{"a": {}, "a": {}}"#), "answers file: duplicate key \"a\"");
}

fn refused_plainly(text: &str) -> String {
    refused(text).to_string()
}

/// All that is wrong, as the instance and the message.
fn faults(file: &AnswersFile, known: &[(&InstanceName, &Name, bool)]) -> Vec<(Option<String>, String)> {
    let faults = file.faults(known, true).into_iter();
    faults.map(|fault| (fault.instance.map(|name| name.to_string()), fault.error.to_string())).collect()
}

#[test]
fn answers_to_what_nobody_asks_are_refused_with_what_is_known() {
    let (attic, ca, pin, user) = (instance(INSTANCE), instance("shared/ca"), name("pin"), name("user"));
    let known = [(&attic, &pin, true), (&attic, &user, false), (&ca, &pin, true)];
    let check = |text: &str| faults(&AnswersFile::parse(text).unwrap(), &known);
    assert_eq!(check(&format!("[\"{INSTANCE}\"]\npin = \"x\"")), []);
    let one = (
        Some(INSTANCE.to_owned()),
        format!(
            "answers file: unknown prompt \"{INSTANCE}\".\"pni\"; expected one of: \"{INSTANCE}\".\"pin\", \"{INSTANCE}\".\"user\""
        ),
    );
    assert_eq!(check(&format!("[\"{INSTANCE}\"]\npni = \"x\"")), [one]);
    let two = format!("answers file: unknown instance \"shared/cb\"; expected one of: \"{INSTANCE}\", \"shared/ca\"");
    assert_eq!(check("[\"shared/cb\"]\npin = \"x\""), [(None, two)]);
    assert!(check("[\"shared/cb\"]\n[\"\\u001b[2J\"]")[0].1.contains("\\U0000001B"));
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let names: Vec<InstanceName> = (0..200).map(|number| instance(&format!("shared/a{number}"))).collect();
    let prompt = name("p");
    let known: Vec<_> = names.iter().map(|instance| (instance, &prompt, true)).collect();
    let of = |(number, instance): (usize, &InstanceName)| {
        let answer = match number {
            149 => "p = 5",
            150 => "p = \"\"",
            151 => "q = \"s3cret\"",
            _ => "p = \"s3cret\"",
        };
        format!("[\"{instance}\"]\n{answer}\n")
    };
    let text = names.iter().enumerate().map(of).collect::<String>() + "[\"shared/b\"]\np = \"s3cret\"\n";
    let file = AnswersFile::parse(&text).unwrap();
    let found = faults(&file, &known);
    let subjects: Vec<Option<&str>> = found.iter().map(|(name, _)| name.as_deref()).collect();
    assert_eq!(subjects, [Some("shared/a149"), None, Some("shared/a150"), Some("shared/a151")]);
    assert!(found.iter().all(|(_, message)| !message.contains("s3cret")));
    assert!(file.get(&names[148], &prompt, true).is_some(), "the others are answers");
    // Before all prompts are known, only values can be wrong.
    assert_eq!(file.faults(&[], false).len(), 1);
}

#[test]
fn a_short_name_will_do_where_it_is_of_one_instance() {
    let all = [INSTANCE, "per-machine/web2/a", "per-user/web2/a", "per-machine/shared/ca", "shared/ca"].map(instance);
    let pin = name("pin");
    let known: Vec<_> = all.iter().map(|one| (one, &pin, true)).collect();
    let of = |text: &str| AnswersFile::parse(text).unwrap();
    let file = of("[\"web1/attic\"]\npin = \"1\"");
    assert_eq!((value(&file, INSTANCE, "pin").as_deref(), faults(&file, &known)), (Some("1"), vec![]));
    let wrong = faults(&of("[\"web1/attic\"]\npin = \" \"\npni = \"1\""), &known);
    assert!(wrong.len() == 2 && wrong.iter().all(|(of, _)| of.as_deref() == Some(INSTANCE)), "{wrong:?}");
    // One that reads as a full name is that.
    let file = of("[\"shared/ca\"]\npin = \"1\"");
    assert_eq!((value(&file, "per-machine/shared/ca", "pin"), faults(&file, &known)), (None, vec![]));
    // Whose answers these are is no guess, also where not all is known.
    let file = of("[\"web2/a\"]\npin = \"1\"");
    for are_all in [true, false] {
        let ambiguous: Vec<_> = file.faults(&known, are_all).into_iter().map(|fault| fault.instance.unwrap()).collect();
        assert_eq!(ambiguous, all[1..3]);
    }
    let file = of(&format!("[\"web1/attic\"]\npin = \"1\"\n[\"{INSTANCE}\"]\npin = \"2\""));
    let twice = (Some(INSTANCE.to_owned()), "answers file: duplicate key \"web1/attic\"".to_owned());
    assert_eq!(faults(&file, &known), [twice]);
}

#[test]
fn nothing_is_asked_where_all_is_answered() {
    let answers = AnswersFile::parse(&format!("[\"{INSTANCE}\"]\npin = \"1234\"")).unwrap();
    let questions = [question(INSTANCE, "pin", None, PromptKind::Hidden)];
    let values = ask_all(&questions, &[], Some(&answers), None).unwrap();
    assert_eq!(values[&(instance(INSTANCE), name("pin"))].expose(), b"1234");
    assert!(ask_all(&[], &[], None, None).unwrap().is_empty());
}

#[test]
fn without_a_terminal_one_error_lists_all_and_gives_the_file_to_fill_in() {
    let questions = [
        question(INSTANCE, "pin", Some("The PIN\nof the key\u{1b}[2J"), PromptKind::Hidden),
        question(INSTANCE, "note", None, PromptKind::Multiline),
        question("shared/ca", "odd \" name", None, PromptKind::Line),
        question("shared/ca", "given", None, PromptKind::Line),
    ];
    let answers = AnswersFile::parse("[\"shared/ca\"]\ngiven = \"x\"").unwrap();
    let error = ask_all(&questions, &[], Some(&answers), None).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("no answer for 3 prompts, and no terminal is available")
            && text.contains("per-machine/web1/attic: pin, "),
        "{text}"
    );
    assert!(!text.contains("given"));
    let Error::Unanswered { template, .. } = &error else { panic!("{error}") };
    let help = error.hint().unwrap();
    assert!(help.contains(template.as_str()) && help.contains("without `--no-input`"), "{help}");
    let expected = "[\"per-machine/web1/attic\"]\n# The PIN\n# of the key\\u{1b}[2J\n# pin = \"\"\n# note = \"\"\"\n# \"\"\"\n\n[\"shared/ca\"]\n# \"odd \\\" name\" = \"\"\n";
    assert_eq!(template, expected);
    // As it stands it answers nothing.
    let unfilled = AnswersFile::parse(template).unwrap();
    let error = ask_all(&questions[..3], &[], Some(&unfilled), None).unwrap_err().to_string();
    assert!(error.starts_with("no answer for 3 prompts"), "{error}");
    let filled =
        AnswersFile::parse(&filled(template, &["pin", "note", "\"odd"]).replace("pin = \"\"", "pin = \"1\"")).unwrap();
    assert_eq!(ask_all(&questions[..3], &[], Some(&filled), None).unwrap().len(), 3);
}

/// Makes answers of the comments whose keys begin so.
fn filled(template: &str, keys: &[&str]) -> String {
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(answer) if answer.starts_with("\"\"\"") || keys.iter().any(|key| answer.starts_with(key)) => {
            answer.to_owned()
        }
        _ => line.to_owned(),
    };
    template.lines().map(|one| line(one) + "\n").collect()
}

/// Parts of answers files.
const PARTS: [&str; 13] =
    ["\n", " = ", "\"s3cret\"", "\"", "\"\"\"", "s3cret\u{e9}", "[a]", "\npin = ", "{", "}", "\"a\": ", ", ", "\r\n"];

proptest! {
    #[test]
    fn any_name_in_the_file_to_fill_in_is_read_back(target in "[^/\\p{C}\\p{Zl}\\p{Zp}]{1,40}", prompt in "[^/\\p{C}\\p{Zl}\\p{Zp}]{1,40}", description in any::<String>()) {
        prop_assume!(Name::new(target.as_str()).is_ok() && Name::new(prompt.as_str()).is_ok());
        let of = format!("per-machine/{target}/x");
        let questions = [question(&of, &prompt, Some(&description), PromptKind::Line)];
        let Err(Error::Unanswered { template, .. }) = ask_all(&questions, &[], None, None) else { panic!() };
        let unfilled = AnswersFile::parse(&template).unwrap();
        prop_assert!(unfilled.get(&instance(&of), &name(&prompt), false).is_none(), "{}", template);
        // The answer is the last line.
        let (before, answer) = template.trim_end_matches('\n').rsplit_once("\n# ").unwrap();
        let filled = AnswersFile::parse(&format!("{before}\n{answer}\n")).unwrap();
        prop_assert!(filled.get(&instance(&of), &name(&prompt), false).is_some(), "{}", template);
    }

    #[test]
    fn a_syntax_error_is_at_a_place_of_the_text_and_repeats_nothing_of_it(
        parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..20)
    ) {
        let text = parts.concat();
        if let Err(error @ Error::Syntax { line, column, .. }) = AnswersFile::parse(&text) {
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert!((1..=lines.len()).contains(&line), "{:?}: {}", text, error);
            prop_assert!(column <= lines[line - 1].len() + 1, "{:?}: {}", text, error);
            prop_assert!(!format!("{error} {error:?}").contains("s3cret"), "{:?}: {}", text, error);
        }
    }
}
