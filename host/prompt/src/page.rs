//! What is written around a prompt: pure text, fit for a terminal.

use std::collections::BTreeSet;

use artifacts_declared::PromptKind;
use artifacts_seam::Secret;
use artifacts_text::{agreeing, counted, listed, separated, terminal};
use unicode_width::UnicodeWidthStr;

use crate::dialog::line_kind;
use crate::interview::Interview;
use crate::request::PromptRequest;
use crate::row::amount;

/// What is between two columns.
const GAP: &str = "   ";

/// The widest names that others are padded to.
const WIDEST: usize = 40;

/// The most of a visible value that is repeated, in bytes.
const REPEATED: usize = 60;

/// Which prompt it is, from 1, and of how many.
pub(crate) type Position = Option<(usize, usize)>;

fn place(position: Position) -> String {
    position.map_or_else(String::new, |(number, all)| format!("{number} of {all}{GAP}"))
}

/// Returns the lines above a prompt: what is asked for, what becomes of it, and how it is entered.
pub(crate) fn introduction(request: &PromptRequest, position: Position) -> Vec<String> {
    let place = place(position);
    let indent = " ".repeat(place.len().max(2));
    let mut lines = vec![format!("{place}{}{GAP}{}", terminal(&request.shown), terminal(request.prompt.as_str()))];
    let how = match request.kind {
        PromptKind::Hidden => "hidden; enter it twice",
        PromptKind::Line => "",
        PromptKind::Multiline => "multiple lines; finish with Ctrl-D",
        PromptKind::MultilineHidden => "hidden, multiple lines; finish with Ctrl-D",
    };
    // What is shown may be empty, unless it is declared otherwise; what is hidden may not. Who asks alone has a question about that.
    let empty = match (request.kind.is_hidden(), request.required) {
        (true, false) if position.is_some() => "may be left empty",
        (false, true) => "a value is required",
        _ => "",
    };
    let description = request.description.as_deref().unwrap_or_default().lines();
    let below = description.chain(request.details.iter().map(String::as_str)).chain([how, empty]);
    lines.extend(below.filter(|line| !line.is_empty()).map(|line| format!("{indent}{}", terminal(line))));
    lines
}

/// Returns the keys of a prompt, as many as fit into so many columns. `interview` is none for a prompt that is asked alone.
pub(crate) fn keys(kind: PromptKind, interview: Option<&Interview>, columns: usize) -> String {
    let line = line_kind(kind);
    // Each with its rank: the highest is left out first.
    let all = [
        (0, if line.lines { "Ctrl-D accept" } else { "Enter accept" }, true),
        (2, "Ctrl-N skip", interview.is_some()),
        (3, "Ctrl-P back", interview.is_some_and(Interview::can_go_back)),
        (4, "Ctrl-R show", line.hidden),
        (1, "Ctrl-C stop", true),
    ];
    let joined = |most: usize| {
        let shown = all.iter().filter(|(rank, _, is_there)| *is_there && *rank <= most);
        shown.map(|(_, key, _)| *key).collect::<Vec<_>>().join(GAP)
    };
    (0..all.len()).rev().map(joined).find(|keys| keys.width() < columns).unwrap_or_default()
}

/// Returns the line that a prompt shrinks to, or two where it does not fit into so many columns.
pub(crate) fn summary(interview: &Interview, index: usize, what: &str, columns: usize) -> Vec<String> {
    let requests = interview.requests();
    let Some(request) = requests.get(index) else { return Vec::new() };
    let widest = |name: &dyn Fn(&PromptRequest) -> String| {
        requests.iter().map(|request| name(request).width()).max().unwrap_or_default().min(WIDEST)
    };
    let instance = |request: &PromptRequest| terminal(&request.shown).into_owned();
    let prompt = |request: &PromptRequest| terminal(request.prompt.as_str()).into_owned();
    let place = place(Some((index + 1, requests.len())));
    let names = [(instance(request), widest(&instance)), (prompt(request), widest(&prompt))];
    let padded = names.map(|(name, width)| format!("{name}{}", " ".repeat(width.saturating_sub(name.width()))));
    let begin = format!("{place}{}", padded.join(GAP));
    if begin.width() + GAP.len() + what.width() < columns {
        return vec![format!("{begin}{GAP}{what}")];
    }
    vec![begin.trim_end().to_owned(), format!("{}{what}", " ".repeat(place.len()))]
}

/// Returns what is said of a value that was entered.
pub(crate) fn entered(kind: PromptKind, value: &Secret) -> String {
    let text = String::from_utf8_lossy(value.expose());
    if text.is_empty() {
        "empty".to_owned()
    } else if kind == PromptKind::Line {
        artifacts_text::shortened(&text, REPEATED).into_owned()
    } else {
        amount(&text, line_kind(kind))
    }
}

/// Returns what is said of an artifact that is skipped.
pub(crate) fn skipped(request: &PromptRequest) -> String {
    format!("skipped; {} is not generated in this run", terminal(&request.shown))
}

/// Returns the lines of the question what becomes of the answers.
pub(crate) fn stopped(interview: &Interview) -> Vec<String> {
    let (complete, incomplete) = interview.instances();
    let number = interview.current().map_or(0, |(at, ..)| at) + 1;
    let all = interview.requests().len();
    let kept = match interview.answered() {
        1 => "1 answer is kept".to_owned(),
        answers => format!("{answers} answers are kept"),
    };
    let mut lines = vec![format!("Stopped at prompt {number} of {all}. No answer is stored yet; {kept} in memory.")];
    for (word, names) in [("complete", &complete), ("incomplete", &incomplete)] {
        let is_one = |request: &&PromptRequest| names.contains(&request.instance);
        let names: BTreeSet<&str> =
            interview.requests().iter().filter(is_one).map(|request| request.shown.as_str()).collect();
        let names: Vec<String> = names.into_iter().map(|name| terminal(name).into_owned()).collect();
        if !names.is_empty() {
            lines.push(format!("  {word:<12} {}", listed(&names)));
        }
    }
    lines.push(String::new());
    if !complete.is_empty() {
        let others = interview.others();
        let needs = agreeing(others, "needs", "need");
        let others = if others == 0 { String::new() } else { format!(", and {others} that {needs} no answer") };
        lines.push(format!("  g  generate the {} now{others}", counted(complete.len(), "complete artifact")));
    }
    lines.extend(["  b  back to the prompt", "  q  quit and discard the answers"].map(str::to_owned));
    lines
}

/// Returns what is said when the person is out: where they stopped, and what is gone.
pub(crate) fn discarded(interview: &Interview) -> String {
    let number = interview.current().map_or(0, |(at, ..)| at) + 1;
    match interview.answered() {
        0 => {
            format!("Stopped at prompt {number} of {}. Nothing is generated from here on.", interview.requests().len())
        }
        1 => "Nothing is generated from here on; 1 answer was discarded.".to_owned(),
        answers => format!("Nothing is generated from here on; {answers} answers were discarded."),
    }
}

/// Returns the question about a paste of several lines where one is expected.
pub(crate) fn held(lines: usize, characters: usize, request: Option<(&PromptRequest, bool)>) -> Vec<String> {
    let what =
        format!("pasted {} lines, {} characters; this prompt takes one line", separated(lines), separated(characters));
    let Some((request, can_skip)) = request else {
        return vec![what, "  d discard (default)   k keep all lines".to_owned()];
    };
    let skip = if can_skip { "   Ctrl-N skip" } else { "" };
    let kind = if request.kind == PromptKind::Hidden { "multiline-hidden" } else { "multiline" };
    let name = terminal(request.prompt.as_str());
    vec![
        format!("{name}: {what}"),
        format!("  d discard (default)   k keep all lines{skip}"),
        format!("  To avoid this question, set prompts.{name}.type = \"{kind}\"."),
    ]
}

/// Returns why a control character does not become part of a value.
pub(crate) fn refusal(letter: char) -> String {
    let name = match u8::try_from(letter) {
        Ok(b'\t') => "A tab".to_owned(),
        Ok(0x1b) => "Escape".to_owned(),
        Ok(byte) if byte < 0x20 => format!("Ctrl-{}", char::from(byte + 0x40)),
        _ => terminal(&letter.to_string()).into_owned(),
    };
    format!("{name} is not allowed in a value. Ctrl-V inserts it literally.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::event::Event;

    fn request(instance: &str, prompt: &str, kind: PromptKind) -> PromptRequest {
        PromptRequest {
            instance: instance.parse().unwrap(),
            shown: instance.trim_start_matches("per-machine/").to_owned(),
            prompt: prompt.parse().unwrap(),
            description: None,
            details: Vec::new(),
            needs: std::collections::BTreeSet::new(),
            earlier: None,
            kind,
            required: kind.is_hidden(),
        }
    }

    #[test]
    fn a_page_says_what_is_asked_for_and_what_becomes_of_it() {
        let mut smtp = request("per-machine/web2/smtp", "password", PromptKind::Hidden);
        smtp.description = Some("Password of the relay\u{1b}[2J\nsee the wiki".to_owned());
        smtp.details = vec!["used by a generator".to_owned(), "stored in env: admin1".to_owned()];
        assert_eq!(
            introduction(&smtp, Some((2, 5))),
            [
                "2 of 5   web2/smtp   password",
                "         Password of the relay\\u{1b}[2J",
                "         see the wiki",
                "         used by a generator",
                "         stored in env: admin1",
                "         hidden; enter it twice"
            ]
        );
        smtp.required = false;
        assert_eq!(introduction(&smtp, Some((2, 5))).last().map(|line| line.trim()), Some("may be left empty"));
        assert_eq!(introduction(&smtp, None).last().map(|line| line.trim()), Some("hidden; enter it twice"));
        let alone = introduction(&request("shared/ca", "key", PromptKind::Line), None);
        assert_eq!(alone, ["shared/ca   key"]);
    }

    #[test]
    fn as_many_keys_are_named_as_fit() {
        let mut interview = Interview::new(vec![
            request("shared/a", "p", PromptKind::Line),
            request("shared/b", "p", PromptKind::Hidden),
        ]);
        assert_eq!(
            keys(PromptKind::Line, Some(&interview), 80),
            "Enter accept   Ctrl-N skip   Ctrl-C stop",
            "nothing is hidden, and there is no prompt before"
        );
        interview.handle(Event::Enter);
        let hidden = |columns| keys(PromptKind::Hidden, Some(&interview), columns);
        assert_eq!(hidden(80), "Enter accept   Ctrl-N skip   Ctrl-P back   Ctrl-R show   Ctrl-C stop");
        assert_eq!(hidden(68), "Enter accept   Ctrl-N skip   Ctrl-P back   Ctrl-C stop");
        assert_eq!(hidden(40), "Enter accept   Ctrl-C stop");
        assert_eq!(hidden(20), "Enter accept");
        assert_eq!(hidden(5), "");
        assert_eq!(keys(PromptKind::MultilineHidden, None, 80), "Ctrl-D accept   Ctrl-R show   Ctrl-C stop");
    }

    #[test]
    fn an_answered_prompt_is_one_line_where_that_fits() {
        let interview = Interview::new(vec![
            request("shared/wg", "endpoint", PromptKind::Line),
            request("shared/smtp", "pin", PromptKind::Hidden),
        ]);
        assert_eq!(summary(&interview, 0, "vpn", 80), ["1 of 2   shared/wg     endpoint   vpn"]);
        assert_eq!(summary(&interview, 1, "24 characters", 80), ["2 of 2   shared/smtp   pin        24 characters"]);
        assert_eq!(
            summary(&interview, 1, "24 characters", 40),
            ["2 of 2   shared/smtp   pin", "         24 characters"]
        );
    }

    #[test]
    fn a_value_is_repeated_where_it_was_seen_and_counted_where_it_was_not() {
        let said = |kind, value: &str| entered(kind, &Secret::new(value.as_bytes().to_vec()));
        assert_eq!(said(PromptKind::Hidden, "aé"), "2 characters");
        assert_eq!(said(PromptKind::MultilineHidden, "a\nb\n"), "2 lines, 4 bytes");
        assert_eq!(said(PromptKind::Multiline, "a"), "1 line, 1 byte");
        assert_eq!(said(PromptKind::Line, "vpn.example\u{1b}[2J"), "vpn.example\\u{1b}[2J");
        assert_eq!(said(PromptKind::Line, ""), "empty");
    }

    #[test]
    fn who_stops_reads_what_is_kept() {
        let of = |name: &str| request(&format!("shared/{name}"), "p", PromptKind::Line);
        let mut interview = Interview::new(vec![of("wg"), of("smtp"), of("tls"), of("pg")]);
        for event in [Event::Enter, Event::Enter, Event::Interrupt] {
            interview.handle(event);
        }
        assert_eq!(
            stopped(&interview),
            [
                "Stopped at prompt 3 of 4. No answer is stored yet; 2 answers are kept in memory.",
                "  complete     shared/smtp, shared/wg",
                "  incomplete   shared/pg, shared/tls",
                "",
                "  g  generate the 2 complete artifacts now",
                "  b  back to the prompt",
                "  q  quit and discard the answers"
            ]
        );
    }

    #[test]
    fn who_stops_reads_what_else_is_generated() {
        let of = |name: &str| request(&format!("shared/{name}"), "p", PromptKind::Line);
        let needs = |names: &[&str]| names.iter().map(|name| format!("shared/{name}").parse().unwrap()).collect();
        for (others, expected) in [
            (
                vec![needs(&["tls"]), needs(&["pg", "wg"]), needs(&["smtp"])],
                "  g  generate the 1 complete artifact now",
            ),
            (
                vec![needs(&["tls"]), needs(&["wg"])],
                "  g  generate the 1 complete artifact now, and 1 that needs no answer",
            ),
            (vec![needs(&[]), needs(&["wg"])], "  g  generate the 1 complete artifact now, and 2 that need no answer"),
        ] {
            // One is complete, one is skipped, two are open.
            let mut interview = Interview::new(vec![of("wg"), of("smtp"), of("tls"), of("pg")]).beside(others);
            for event in [Event::Enter, Event::Skip, Event::Interrupt] {
                interview.handle(event);
            }
            assert!(stopped(&interview).contains(&expected.to_owned()), "{:?}", stopped(&interview));
        }
    }
}
