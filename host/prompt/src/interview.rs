use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name, PromptKind};
use artifacts_seam::Secret;

use crate::dialog::{DialogEffect, PromptDialog};
use crate::event::Event;
use crate::line::LineEffect;
use crate::request::PromptRequest;

/// What follows from an event while prompts are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterviewEffect {
    /// What follows at the current prompt, which stays the current one.
    Dialog(DialogEffect),
    /// This prompt was answered, and the next one is asked.
    Answered(usize),
    /// The artifact of this prompt was skipped, and the next one is asked.
    Skipped(usize),
    /// The prompt before is asked again.
    Returned,
    /// The person chooses whether to generate, to go on or to quit.
    Stopped,
    /// The prompt is asked again after that.
    Resumed,
    /// What is complete is generated; nothing more is asked.
    Generate,
    /// The person wants out.
    Quit,
    /// The input ended before anything was answered.
    Ended,
}

/// The prompts of a run while a person answers them one after the other, and may skip, go back or stop. Knows no terminal; what it
/// held is wiped.
#[derive(Debug)]
pub struct Interview {
    requests: Vec<PromptRequest>,
    /// What is generated without a prompt, each by all that it depends on.
    others: Vec<BTreeSet<InstanceName>>,
    values: Vec<Option<Secret>>,
    skipped: BTreeSet<InstanceName>,
    /// The prompts that were left, the last one at the end.
    visited: Vec<usize>,
    /// The current prompt; behind the last one when all are done.
    at: usize,
    dialog: PromptDialog,
    is_stopped: bool,
}

impl Interview {
    /// Begins with the first prompt.
    pub fn new(requests: Vec<PromptRequest>) -> Self {
        let values = requests.iter().map(|request| request.earlier.clone()).collect();
        let mut interview = Self {
            requests,
            others: Vec::new(),
            values,
            skipped: BTreeSet::new(),
            visited: Vec::new(),
            at: 0,
            dialog: PromptDialog::new(PromptKind::Line, false, None),
            is_stopped: false,
        };
        interview.ask(0);
        interview
    }

    /// Says what else is generated without a prompt, each by all that it depends on.
    #[must_use]
    pub fn beside(self, others: Vec<BTreeSet<InstanceName>>) -> Self {
        Self { others, ..self }
    }

    /// Returns all prompts.
    pub fn requests(&self) -> &[PromptRequest] {
        &self.requests
    }

    /// Returns the current prompt with its index, and the state of its value; none when all are done.
    pub fn current(&self) -> Option<(usize, &PromptRequest, &PromptDialog)> {
        Some((self.at, self.requests.get(self.at)?, &self.dialog))
    }

    /// Returns the value of a prompt, if it has one.
    pub fn value(&self, index: usize) -> Option<&Secret> {
        self.values.get(index)?.as_ref()
    }

    /// Returns whether the person chooses what becomes of the answers.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Returns whether there is a prompt to go back to.
    pub fn can_go_back(&self) -> bool {
        !self.visited.is_empty()
    }

    /// Returns how many prompts have a value.
    pub fn answered(&self) -> usize {
        self.values.iter().flatten().count()
    }

    /// Whether the artifact of a prompt was skipped, or one that it needs.
    fn is_skipped(&self, request: &PromptRequest) -> bool {
        self.skipped.contains(&request.instance) || request.needs.iter().any(|name| self.skipped.contains(name))
    }

    /// The instances that lack a value.
    fn open(&self) -> BTreeSet<&InstanceName> {
        let open = self.requests.iter().zip(&self.values).filter(|(_, value)| value.is_none());
        open.map(|(request, _)| &request.instance).collect()
    }

    /// Returns how many are generated without a prompt if it ends here: what needs something that has no value is not.
    pub fn others(&self) -> usize {
        let open = self.open();
        let is_left_out = |name: &InstanceName| open.contains(name) || self.skipped.contains(name);
        self.others.iter().filter(|needs| !needs.iter().any(is_left_out)).count()
    }

    /// Returns the instances of which every prompt has a value, and the others that were not skipped.
    pub fn instances(&self) -> (BTreeSet<&InstanceName>, BTreeSet<&InstanceName>) {
        let open = self.open();
        // What needs something that is not complete cannot be generated either.
        let is_open = |request: &&PromptRequest| {
            open.contains(&request.instance) || request.needs.iter().any(|name| open.contains(name))
        };
        let open: BTreeSet<&InstanceName> =
            self.requests.iter().filter(is_open).map(|request| &request.instance).collect();
        let left = self.requests.iter().filter(|request| !self.is_skipped(request));
        let left: BTreeSet<&InstanceName> = left.map(|request| &request.instance).collect();
        left.into_iter().partition(|name| !open.contains(*name))
    }

    /// Returns the values, without those of skipped artifacts.
    pub fn into_values(self) -> BTreeMap<(InstanceName, Name), Secret> {
        let kept = self.requests.iter().zip(&self.values).filter(|(request, _)| !self.is_skipped(request));
        let key = |request: &PromptRequest| (request.instance.clone(), request.prompt.clone());
        kept.filter_map(|(request, value)| Some((key(request), value.clone()?))).collect()
    }

    pub(crate) fn dialog(&self) -> &PromptDialog {
        &self.dialog
    }

    pub(crate) fn dialog_mut(&mut self) -> &mut PromptDialog {
        &mut self.dialog
    }

    /// Takes an event, and says what follows from it.
    pub fn handle(&mut self, event: Event) -> InterviewEffect {
        if self.is_stopped {
            return self.choose(&event);
        }
        let at = self.at;
        if at >= self.requests.len() {
            return InterviewEffect::Generate;
        }
        match self.dialog.handle(event) {
            DialogEffect::Answered(value) => {
                if let Some(answer) = self.values.get_mut(at) {
                    *answer = Some(value);
                }
                self.go_on();
                InterviewEffect::Answered(at)
            }
            DialogEffect::Skip => {
                let skipped = self.requests.get(at).map(|request| request.instance.clone());
                self.skipped.extend(skipped);
                self.go_on();
                InterviewEffect::Skipped(at)
            }
            DialogEffect::Back => self.go_back(),
            DialogEffect::Line(LineEffect::Interrupted | LineEffect::Ended) if self.answered() > 0 => self.stop(),
            DialogEffect::Line(LineEffect::Interrupted) => InterviewEffect::Quit,
            DialogEffect::Line(LineEffect::Ended) => InterviewEffect::Ended,
            effect => InterviewEffect::Dialog(effect),
        }
    }

    fn ask(&mut self, at: usize) {
        self.at = at;
        let earlier = self.values.get(at).and_then(Option::as_ref);
        if let Some(request) = self.requests.get(at) {
            self.dialog = PromptDialog::new(request.kind, request.required, earlier);
        }
    }

    fn go_on(&mut self) {
        self.visited.push(self.at);
        let next = (self.at + 1..self.requests.len())
            .find(|&index| self.requests.get(index).is_some_and(|request| !self.is_skipped(request)));
        self.ask(next.unwrap_or(self.requests.len()));
    }

    /// A prompt at which an artifact was skipped is asked after all.
    fn go_back(&mut self) -> InterviewEffect {
        let Some(before) = self.visited.pop() else {
            return InterviewEffect::Dialog(DialogEffect::Line(LineEffect::Nothing));
        };
        if let Some(request) = self.requests.get(before) {
            self.skipped.remove(&request.instance);
        }
        self.ask(before);
        InterviewEffect::Returned
    }

    fn stop(&mut self) -> InterviewEffect {
        self.is_stopped = true;
        InterviewEffect::Stopped
    }

    /// The answer to what becomes of the answers. Nothing but a clear `g` or `b` keeps them.
    fn choose(&mut self, event: &Event) -> InterviewEffect {
        let is_any_complete = !self.instances().0.is_empty();
        match event {
            Event::Character('g' | 'G') if is_any_complete => InterviewEffect::Generate,
            Event::Character('b' | 'B') => {
                self.is_stopped = false;
                self.ask(self.at);
                InterviewEffect::Resumed
            }
            Event::Character('q' | 'Q') | Event::Enter | Event::EndOfInput | Event::Interrupt => InterviewEffect::Quit,
            Event::Suspend => InterviewEffect::Dialog(DialogEffect::Line(LineEffect::Suspended)),
            _ => InterviewEffect::Dialog(DialogEffect::Line(LineEffect::Nothing)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// Three artifacts with two prompts each.
    fn interview() -> Interview {
        let request = |instance: &str, prompt: &str| PromptRequest {
            instance: format!("shared/{instance}").parse().unwrap(),
            shown: instance.to_owned(),
            prompt: prompt.parse().unwrap(),
            description: None,
            details: Vec::new(),
            needs: BTreeSet::new(),
            earlier: None,
            kind: PromptKind::Line,
            required: false,
        };
        let instances = ["a", "b", "c"].into_iter();
        Interview::new(instances.flat_map(|name| [request(name, "p"), request(name, "q")]).collect())
    }

    fn types(interview: &mut Interview, text: &str) -> InterviewEffect {
        let mut effect = InterviewEffect::Quit;
        for letter in text.chars() {
            let event = match letter {
                '\n' => Event::Enter,
                '\u{3}' => Event::Interrupt,
                '\u{4}' => Event::EndOfInput,
                '\u{e}' => Event::Skip,
                '\u{10}' => Event::Back,
                letter => Event::Character(letter),
            };
            effect = interview.handle(event);
        }
        effect
    }

    fn values(interview: Interview) -> Vec<String> {
        let value = |((instance, prompt), value): ((InstanceName, Name), Secret)| {
            format!("{}/{prompt}={}", instance.artifact(), String::from_utf8_lossy(value.expose()))
        };
        interview.into_values().into_iter().map(value).collect()
    }

    #[test]
    fn prompts_are_asked_one_after_the_other() {
        let mut interview = interview();
        assert_eq!(types(&mut interview, "1\n2\n3\n4\n5\n"), InterviewEffect::Answered(4));
        assert_eq!(interview.current().unwrap().0, 5);
        assert_eq!(types(&mut interview, "6\n"), InterviewEffect::Answered(5));
        assert!(interview.current().is_none());
        assert_eq!(values(interview), ["a/p=1", "a/q=2", "b/p=3", "b/q=4", "c/p=5", "c/q=6"]);
    }

    #[test]
    fn a_skipped_artifact_is_not_asked_for_any_more_and_has_no_values() {
        let mut interview = interview();
        assert_eq!(types(&mut interview, "1\n2\n\u{e}"), InterviewEffect::Skipped(2));
        assert_eq!(interview.current().unwrap().0, 4, "its other prompt is not asked");
        types(&mut interview, "5\n\u{e}");
        assert!(interview.current().is_none());
        assert_eq!(values(interview), ["a/p=1", "a/q=2"], "the answer before the skip is no value");
    }

    #[test]
    fn who_goes_back_finds_what_was_entered_and_may_take_a_skip_back() {
        let mut interview = interview();
        types(&mut interview, "1\n2\n\u{e}");
        assert_eq!(types(&mut interview, "\u{10}"), InterviewEffect::Returned);
        assert_eq!(interview.current().unwrap().0, 2);
        types(&mut interview, "\u{10}\u{10}");
        let (at, _, dialog) = interview.current().unwrap();
        assert_eq!((at, dialog.shown().text()), (0, "1"));
        assert_eq!(
            types(&mut interview, "\u{10}"),
            InterviewEffect::Dialog(DialogEffect::Line(LineEffect::Nothing)),
            "there is none before the first"
        );
        types(&mut interview, "x\n\n3\n4\n5\n6\n");
        assert_eq!(values(interview), ["a/p=1x", "a/q=2", "b/p=3", "b/q=4", "c/p=5", "c/q=6"]);
    }

    #[test]
    fn who_stops_may_generate_what_is_complete_or_go_on_or_quit() {
        let stopped = || {
            let mut interview = interview();
            assert_eq!(types(&mut interview, "1\n2\n3\nhalf\u{3}"), InterviewEffect::Stopped);
            interview
        };
        let mut interview = stopped();
        let names = |names: BTreeSet<&InstanceName>| names.into_iter().map(ToString::to_string).collect::<Vec<_>>();
        let (complete, incomplete) = interview.instances();
        assert_eq!(
            (names(complete), names(incomplete)),
            (vec!["shared/a".into()], vec!["shared/b".into(), "shared/c".into()])
        );
        assert_eq!(types(&mut interview, "g"), InterviewEffect::Generate);
        for keys in ["\u{3}", "q", "\n", "xy\u{10}\u{e}q", "\u{4}"] {
            assert_eq!(types(&mut stopped(), keys), InterviewEffect::Quit, "{keys:?}");
        }
        let mut interview = stopped();
        assert_eq!(types(&mut interview, "b"), InterviewEffect::Resumed);
        types(&mut interview, "4\n5\n6\n");
        assert_eq!(values(interview).len(), 6);
    }

    #[test]
    fn a_value_from_an_earlier_try_is_there_to_be_changed() {
        let mut requests = interview().requests().to_vec();
        for request in &mut requests {
            request.earlier = Some(Secret::new(b"x".to_vec()));
        }
        let mut interview = Interview::new(requests);
        types(&mut interview, "y\n\n\n\n\n\n");
        assert_eq!(values(interview), ["a/p=xy", "a/q=x", "b/p=x", "b/q=x", "c/p=x", "c/q=x"]);
    }

    #[test]
    fn what_needs_a_skipped_artifact_is_not_asked_for() {
        let mut requests = interview().requests().to_vec();
        for request in requests.iter_mut().filter(|request| request.instance.artifact().as_str() == "b") {
            request.needs.insert("shared/a".parse().unwrap());
        }
        let mut interview = Interview::new(requests);
        assert_eq!(types(&mut interview, "1\n\u{e}"), InterviewEffect::Skipped(1));
        assert_eq!(interview.current().unwrap().0, 4);
        types(&mut interview, "\u{10}2\n3\n4\n\u{3}");
        let (complete, _) = interview.instances();
        assert_eq!(complete.len(), 2, "who goes back is asked after all");
        types(&mut interview, "b\u{10}\u{10}\u{10}\u{e}");
        assert_eq!(interview.instances().0.len(), 0);
        assert!(values(interview).is_empty(), "nor does it have values");
    }

    #[test]
    fn nothing_is_generated_where_nothing_is_complete() {
        let mut interview = interview();
        types(&mut interview, "1\n\u{3}");
        assert_eq!(types(&mut interview, "g"), InterviewEffect::Dialog(DialogEffect::Line(LineEffect::Nothing)));
    }

    #[test]
    fn who_answered_nothing_is_out_at_once() {
        assert_eq!(types(&mut interview(), "half\u{3}"), InterviewEffect::Quit);
        assert_eq!(types(&mut interview(), "\u{4}"), InterviewEffect::Ended);
        // The end of the input is no way to lose answers.
        assert_eq!(types(&mut interview(), "1\n\u{4}"), InterviewEffect::Stopped);
    }

    proptest! {
        #[test]
        fn whatever_is_typed_the_values_are_the_last_answers_to_prompts_that_are_not_skipped(
            keys in "[ab\n\n\u{3}\u{4}\u{e}\u{10}\u{10}gq]{0,80}"
        ) {
            let mut interview = interview();
            let requests = interview.requests().to_vec();
            // What a person at the screen would note.
            let (mut answers, mut skipped) = (BTreeMap::new(), BTreeSet::new());
            for key in keys.chars() {
                let Some((at, _, dialog)) = interview.current() else { break };
                prop_assert!(!skipped.contains(&requests[at].instance), "it asks for what is skipped");
                let typed = dialog.shown().text().to_owned();
                match types(&mut interview, &key.to_string()) {
                    InterviewEffect::Generate | InterviewEffect::Quit | InterviewEffect::Ended => break,
                    InterviewEffect::Answered(index) => {
                        prop_assert_eq!(index, at);
                        answers.insert(at, typed);
                    }
                    InterviewEffect::Skipped(index) => {
                        prop_assert_eq!(index, at);
                        skipped.insert(requests[at].instance.clone());
                    }
                    InterviewEffect::Returned => {
                        let (back, request, _) = interview.current().unwrap();
                        prop_assert!(back < at);
                        skipped.remove(&request.instance);
                    }
                    _ => {}
                }
            }
            let is_kept = |at: &usize| !skipped.contains(&requests[*at].instance);
            if interview.current().is_none() {
                prop_assert!((0..requests.len()).filter(is_kept).all(|at| answers.contains_key(&at)), "one was not asked");
            }
            answers.retain(|at, _| is_kept(at));
            let key = |at: usize| (requests[at].instance.clone(), requests[at].prompt.clone());
            let expected: BTreeMap<_, _> =
                answers.into_iter().map(|(at, text)| (key(at), Secret::new(text.into_bytes()))).collect();
            prop_assert_eq!(interview.into_values(), expected);
        }
    }
}
