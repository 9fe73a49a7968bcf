//! Calls across the seam: a request goes to a runner, its questions are answered, and its reply is judged.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use artifacts_seam::{
    Ask, CallContext, CallError, Checked, ComponentEvent, Disconnected, EntryFiles, GuestMessage, HostEnd, HostReply,
    InstanceView, Limits, Outcome, Reply, Request, SandboxLayer, Usage,
};
use bytes::Bytes;

use crate::evidence::{Evidence, ProtocolViolation};
use crate::kept_files::KeptFiles;
use crate::machine::Shortage;
use crate::pace::{Deadline, Pace};
use crate::parent::{PipeEnd, Start, compile};
use crate::{Error, WorkerStart};
use artifacts_contract::Component;
use artifacts_seam::protocol::{Hello, Task};
use artifacts_seam::too_many_refusals;

/// Who answers a component's questions.
pub(crate) trait Host {
    fn answer(&mut self, ask: Ask) -> HostReply;
}

/// A component, kept ready to be called, wherever it runs.
pub(crate) struct Connection {
    component: Component,
    limits: Limits,
    end: Option<Box<dyn HostEnd>>,
    /// How it is started again; none when it cannot be. It is behind the end: what it holds goes after that.
    worker: Option<WorkerStart>,
    /// Compiled code, for workers.
    code: Option<Code>,
    /// What some worker lacked: one that is started again may get fewer layers than the one before.
    missing: Vec<SandboxLayer>,
    pace: Arc<Pace>,
}

/// Where compiled code is.
#[derive(Clone)]
enum Code {
    /// In the worker's program.
    Inside,
    /// Here, to be sent.
    Here(Bytes),
}

impl Code {
    /// Of a component that came with code.
    fn of(component: &Component, worker: &WorkerStart) -> Option<Self> {
        let code = component.compiled()?;
        Some(if worker.inside { Self::Inside } else { Self::Here(Bytes::from_static(code)) })
    }
}

/// One conversation with a runner, as far as it came.
#[derive(Default)]
struct Conversation {
    answers: Vec<Result<Checked, CallError>>,
    evidence: Evidence,
    usage: Usage,
}

impl Connection {
    /// Starts the component in a worker.
    pub(crate) fn open(component: Component, limits: Limits, worker: WorkerStart) -> Result<Self, Error> {
        let mut connection = Self::new(component, limits);
        connection.end = Some(Box::new(connection.start(&worker)?));
        connection.worker = Some(worker);
        Ok(connection)
    }

    /// Starts the component in one more worker, which is waited for as this one is.
    pub(crate) fn another(&self, worker: WorkerStart) -> Result<Self, Error> {
        let mut connection = Self::new(self.component.clone(), self.limits);
        (connection.code, connection.pace) = (self.code.clone(), Arc::clone(&self.pace));
        connection.end = Some(Box::new(connection.start(&worker)?));
        connection.worker = Some(worker);
        Ok(connection)
    }

    /// Calls the component at this end.
    pub(crate) fn over(component: Component, limits: Limits, end: Box<dyn HostEnd>) -> Self {
        Self { end: Some(end), ..Self::new(component, limits) }
    }

    fn new(component: Component, limits: Limits) -> Self {
        let pace = Arc::new(Pace::new(Duration::from_secs(limits.time)));
        Self { component, limits, worker: None, end: None, code: None, missing: Vec::new(), pace }
    }

    /// Layers of the sandbox that one of its workers did not have.
    pub(crate) fn missing(&self) -> &[SandboxLayer] {
        &self.missing
    }

    /// With the code at hand, with kept code of this engine, and where that does not load, with code that is compiled now.
    fn start(&mut self, worker: &WorkerStart) -> Result<PipeEnd, Error> {
        let at_hand = self.code.take().or_else(|| Code::of(&self.component, worker));
        let (mut end, mut hello) = self.spawn(worker, at_hand.as_ref())?;
        let cache = worker.cache.as_deref().and_then(KeptFiles::open);
        let key = format!("{}-{}", self.component.sha256(), hello.engine);
        let kept = match at_hand {
            Some(code) => Some(code),
            None => match cache.as_ref().and_then(|cache| cache.get(&key)) {
                Some(code) => end.send_code(&code).map(|()| Some(Code::Here(code.into())))?,
                None => None,
            },
        };
        if let Some(code) = kept {
            match end.ready() {
                Ok(()) => {
                    self.code = Some(code);
                    add_layers(&mut self.missing, &hello.missing);
                    return Ok(end);
                }
                Err(Start::Failed(error)) => return Err(error),
                Err(Start::Outdated(_)) => (end, hello) = self.spawn(worker, None)?,
            }
        }
        let bytes = self.component.bytes();
        worker.observer.tell(Some((&self.component.manifest().name, bytes.len())));
        let code = compile(worker, bytes, false);
        worker.observer.tell(None);
        let code = code?;
        end.send_code(&code)?;
        match end.ready() {
            Ok(()) => {
                if let Some(cache) = cache {
                    cache.put(&key, &code);
                }
                self.code = Some(Code::Here(code.into()));
                add_layers(&mut self.missing, &hello.missing);
                Ok(end)
            }
            Err(Start::Failed(error)) => Err(error),
            Err(Start::Outdated(why)) => Err(Error::Worker(format!("it does not load what it compiled: {why}"))),
        }
    }

    /// Starts a worker that runs this code, or, without any, what it is sent then.
    fn spawn(&self, worker: &WorkerStart, code: Option<&Code>) -> Result<(PipeEnd, Hello), Error> {
        let (task, sent) = match code {
            Some(Code::Inside) => (Task::RunInside(self.component.sha256().0), None),
            Some(Code::Here(code)) => (Task::Run, Some(code.as_ref())),
            None => (Task::Run, None),
        };
        PipeEnd::spawn(worker, self.limits, task, self.component.uses_files(), sent)
    }

    /// One call, with its questions answered by `host`.
    pub(crate) fn call(&mut self, request: Request, host: &mut dyn Host) -> Reply {
        match request {
            Request::Check(context, batch) => self.check(context, batch, host),
            request => {
                let mut conversation = Conversation::default();
                let outcome = self.converse(&request, host, &mut conversation);
                Reply { outcome, events: conversation.evidence.events, usage: conversation.usage }
            }
        }
    }

    /// An answer that does not come costs only its own instance: the runner is ended, and a fresh one does the rest.
    fn check(
        &mut self,
        context: CallContext,
        mut batch: Vec<(InstanceView, EntryFiles)>,
        host: &mut dyn Host,
    ) -> Reply {
        let mut whole = Conversation::default();
        while !batch.is_empty() {
            if whole.evidence.is_full() {
                let overrun = || Err(CallError::Overrun(too_many_refusals()));
                whole.answers.extend(batch.iter().map(|_| overrun()));
                break;
            }
            let request = Request::Check(context, batch);
            let mut conversation = Conversation::default();
            conversation.evidence.after(&whole.evidence);
            let outcome = self.converse(&request, host, &mut conversation);
            let Request::Check(_, asked) = request else { unreachable!("it was just made") };
            let missing = conversation.answers.len() < asked.len();
            let answered = conversation.answers.len() + usize::from(missing);
            whole.add(conversation);
            if missing {
                let why =
                    outcome.err().unwrap_or_else(|| CallError::Broken("it answered for fewer than asked".to_owned()));
                whole.answers.push(Err(why));
            }
            batch = asked.into_iter().skip(answered).collect();
        }
        Reply { outcome: Ok(Outcome::Checked(whole.answers)), events: whole.evidence.events, usage: whole.usage }
    }

    fn converse(
        &mut self,
        request: &Request,
        host: &mut dyn Host,
        conversation: &mut Conversation,
    ) -> Result<Outcome, CallError> {
        if self.pace.is_given_up() {
            return Err(CallError::Overrun(self.pace.words()));
        }
        let mut end = match self.end.take() {
            Some(end) => end,
            None => self.restart()?,
        };
        match conversation.listen(end.as_mut(), request, host, &self.pace) {
            Ok(outcome) => {
                self.end = Some(end);
                outcome.map_err(known)
            }
            Err(fault) => {
                let killed =
                    matches!(fault, ProtocolViolation::Disconnected(Disconnected::Gone(_))) && end.was_killed();
                end.end();
                Err(match fault {
                    ProtocolViolation::Disconnected(Disconnected::Late) => {
                        self.pace.overran();
                        CallError::Overrun(format!("it took longer than {} s", self.limits.time))
                    }
                    ProtocolViolation::GivenUp => CallError::Overrun(self.pace.words()),
                    ProtocolViolation::HostTime => {
                        CallError::Overrun(format!("artifacts worked for it longer than {} s", self.limits.time))
                    }
                    ProtocolViolation::Refused => CallError::Overrun(too_many_refusals()),
                    ProtocolViolation::Disconnected(Disconnected::Gone(how)) => match Shortage::of_ended(killed) {
                        Some(shortage) => shortage.into(),
                        None => CallError::Broken(format!("its process came to an end: {how}")),
                    },
                })
            }
        }
    }

    fn restart(&mut self) -> Result<Box<dyn HostEnd>, CallError> {
        let worker = self.worker.clone().ok_or_else(|| {
            CallError::Overrun("an earlier call still runs, and in this process nothing can end it".to_owned())
        })?;
        match self.start(&worker) {
            Ok(end) => Ok(Box::new(end)),
            Err(Error::Machine(shortage)) => Err(shortage.into()),
            Err(error) => Err(CallError::Broken(error.to_string())),
        }
    }
}

/// A worker says that memory is short; what limits it is for this process to say.
fn known(error: CallError) -> CallError {
    match error {
        CallError::Machine { .. } => Shortage::of_failed().into(),
        error => error,
    }
}

/// Adds the layers that one more worker lacked.
fn add_layers(missing: &mut Vec<SandboxLayer>, more: &[SandboxLayer]) {
    let new: Vec<SandboxLayer> = more.iter().filter(|layer| !missing.contains(layer)).copied().collect();
    missing.extend(new);
}

/// The instances that a call is about.
fn names(request: &Request) -> HashSet<&str> {
    match request {
        Request::Check(_, batch) => batch.iter().map(|(instance, _)| instance.name.as_str()).collect(),
        Request::Serialize { instance, .. } => HashSet::from([instance.name.as_str()]),
        Request::Retrieve { instance, .. } => HashSet::from([instance.as_str()]),
    }
}

/// Counts the instances that a call is about.
fn instances(request: &Request) -> usize {
    if let Request::Check(_, batch) = request { batch.len() } else { 1 }
}

impl Conversation {
    fn add(&mut self, other: Self) {
        self.answers.extend(other.answers);
        self.evidence.add(other.evidence);
        self.usage = self.usage.and(other.usage);
    }

    /// Speaks with the runner until the call's end. The runner is not believed more than it takes to go on.
    fn listen(
        &mut self,
        link: &mut dyn HostEnd,
        request: &Request,
        host: &mut dyn Host,
        pace: &Pace,
    ) -> Result<Result<Outcome, CallError>, ProtocolViolation> {
        let asked_about = names(request);
        link.call(request)?;
        let mut deadline = Deadline::new(pace);
        loop {
            match link.receive(deadline.left())? {
                GuestMessage::Event(ComponentEvent::Instance(name)) if !asked_about.contains(name.as_str()) => {
                    return Err(nonsense("an instance that it was not asked about"));
                }
                GuestMessage::Event(event) => self.evidence.told(event)?,
                GuestMessage::Checked(answer) => {
                    self.checked(answer, request, &deadline, pace)?;
                    deadline = Deadline::new(pace);
                }
                GuestMessage::Ask(ask) => {
                    let (call, secret) = (ask.call(), ask.secret());
                    let answer = deadline.without(|| host.answer(ask)).ok_or(ProtocolViolation::HostTime)?;
                    self.evidence.asked(call, secret, &answer, instances(request))?;
                    link.answer(&answer)?;
                }
                GuestMessage::Done(outcome, usage) => {
                    count_overrun(&outcome, &deadline, pace);
                    self.usage = usage;
                    return self.done(outcome, request);
                }
            }
        }
    }

    /// Takes the answer for one instance of a batch.
    fn checked(
        &mut self,
        answer: Result<Checked, CallError>,
        request: &Request,
        deadline: &Deadline,
        pace: &Pace,
    ) -> Result<(), ProtocolViolation> {
        if !matches!(request, Request::Check(..)) || self.answers.len() >= instances(request) {
            return Err(nonsense("an answer without a question"));
        }
        count_overrun(&answer, deadline, pace);
        self.answers.push(answer.map_err(known));
        if pace.is_given_up() { Err(ProtocolViolation::GivenUp) } else { Ok(()) }
    }

    /// Takes the end of a call: it has to be that of this call, and no success after a denial.
    fn done(
        &self,
        outcome: Result<Outcome, CallError>,
        request: &Request,
    ) -> Result<Result<Outcome, CallError>, ProtocolViolation> {
        match (&outcome, request) {
            (Ok(Outcome::Serialized(_) | Outcome::Retrieved(_)), _) if self.evidence.was_denied() => {
                Err(nonsense("success after it was refused"))
            }
            (Err(_), _)
            | (Ok(Outcome::Checked(_)), Request::Check(..))
            | (Ok(Outcome::Serialized(_)), Request::Serialize { .. })
            | (Ok(Outcome::Retrieved(_)), Request::Retrieve { .. }) => Ok(outcome),
            _ => Err(nonsense("the outcome of another call")),
        }
    }
}

/// What the runner ended itself since it took too long counts as what had to be ended.
fn count_overrun<T>(answer: &Result<T, CallError>, deadline: &Deadline, pace: &Pace) {
    if matches!(answer, Err(CallError::Overrun(_))) && deadline.elapsed() >= pace.limit() {
        pace.overran();
    }
}

fn nonsense(what: &str) -> ProtocolViolation {
    Disconnected::Gone(format!("it reported {what}")).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_seam::{CheckState, PlaintextRef, Secret};

    use super::*;
    use crate::pace;

    /// A runner that reports just this.
    struct Told(std::vec::IntoIter<GuestMessage>);

    impl HostEnd for Told {
        fn call(&mut self, _: &Request) -> Result<(), Disconnected> {
            Ok(())
        }

        fn answer(&mut self, _: &HostReply) -> Result<(), Disconnected> {
            Ok(())
        }

        fn receive(&mut self, _: Duration) -> Result<GuestMessage, Disconnected> {
            self.0.next().ok_or(Disconnected::Late)
        }

        fn end(&mut self) {}
    }

    struct Denies;

    impl Host for Denies {
        fn answer(&mut self, _: Ask) -> HostReply {
            HostReply::Denied("no".to_owned())
        }
    }

    fn instance(name: &str) -> InstanceView {
        InstanceView {
            name: name.to_owned(),
            artifact: "ca".to_owned(),
            shared: true,
            targets: Vec::new(),
            files: Vec::new(),
            attrs: Vec::new(),
        }
    }

    fn serialize(name: &str) -> Request {
        let (context, entry, items) = (CallContext::default(), EntryFiles::new(), Vec::new());
        Request::Serialize { context, instance: instance(name), entry, items }
    }

    #[test]
    fn a_runner_reports_about_instances_of_its_call_only() {
        let asked = ["shared/ca", "shared/cb"];
        let batch = Request::Check(
            CallContext::default(),
            asked.iter().map(|name| (instance(name), EntryFiles::new())).collect(),
        );
        let one = serialize("shared/ca");
        let named = |request: &Request, name: &str| {
            let event = GuestMessage::Event(ComponentEvent::Instance(name.to_owned()));
            let end = GuestMessage::Done(Err(CallError::Broken("the end".to_owned())), Usage::default());
            let mut link = Told(vec![event, end].into_iter());
            let heard =
                Conversation::default().listen(&mut link, request, &mut Denies, &Pace::new(Duration::from_secs(1)));
            match heard {
                Ok(_) => None,
                Err(ProtocolViolation::Disconnected(Disconnected::Gone(how))) => Some(how),
                Err(other) => panic!("{other:?}"),
            }
        };
        assert!(asked.iter().all(|name| named(&batch, name).is_none()));
        assert_eq!(named(&one, "shared/ca"), None);
        for (request, name) in [(&batch, "shared/other"), (&one, "shared/cb"), (&one, "")] {
            let how = named(request, name).unwrap();
            assert!(how.contains("an instance that it was not asked about"), "{how}");
        }
    }

    #[test]
    fn a_worker_that_is_started_again_with_fewer_layers_is_noticed() {
        let (one, other) = (SandboxLayer::UtsNamespace, SandboxLayer::Landlock);
        let mut missing = Vec::new();
        for layers in [&[one][..], &[other], &[]] {
            add_layers(&mut missing, layers);
        }
        assert_eq!(missing, [one, other]);
    }

    /// A host to whom each answer is work.
    struct Busy;

    impl Host for Busy {
        fn answer(&mut self, _: Ask) -> HostReply {
            let begun = pace::worked();
            while pace::worked().saturating_sub(begun) < Duration::from_millis(30) {}
            HostReply::Sealed(Vec::new())
        }
    }

    fn ask() -> GuestMessage {
        GuestMessage::Ask(Ask::Seal {
            value: PlaintextRef::Made(Secret::new(Vec::new())),
            files: Vec::new(),
            armor: true,
        })
    }

    fn listen(reports: Vec<GuestMessage>, request: &Request, pace: &Pace) -> (Conversation, Option<ProtocolViolation>) {
        let mut conversation = Conversation::default();
        let fault = conversation.listen(&mut Told(reports.into_iter()), request, &mut Busy, pace).err();
        (conversation, fault)
    }

    #[test]
    fn the_host_works_for_one_call_no_longer_than_its_limit() {
        let pace = Pace::new(Duration::from_millis(100));
        let request = serialize("shared/a");
        let done = || GuestMessage::Done(Ok(Outcome::Serialized(EntryFiles::new())), Usage::default());
        assert!(listen(vec![ask(), done()], &request, &pace).1.is_none());
        let (_, fault) = listen((0..10).map(|_| ask()).chain([done()]).collect(), &request, &pace);
        assert!(matches!(fault, Some(ProtocolViolation::HostTime)));
        // Each instance of a batch has the limit for itself.
        let present = || GuestMessage::Checked(Ok(Checked { recipients: Vec::new(), state: CheckState::Present }));
        let batch = Request::Check(CallContext::default(), vec![(instance("shared/a"), EntryFiles::new()); 4]);
        let reports = (0..4).flat_map(|_| [ask(), ask(), present()]).collect();
        let (conversation, fault) = listen(reports, &batch, &pace);
        assert_eq!(conversation.answers.len(), 4);
        assert!(matches!(fault, Some(ProtocolViolation::Disconnected(Disconnected::Late))));
    }

    #[test]
    fn a_backend_whose_checks_overrun_is_given_up() {
        // A limit that is over at once: each overrun took as long.
        let pace = Pace::new(Duration::ZERO);
        let overrun = || GuestMessage::Checked(Err(CallError::Overrun("late".to_owned())));
        let batch = Request::Check(CallContext::default(), vec![(instance("shared/a"), EntryFiles::new()); 9]);
        let (conversation, fault) = listen((0..9).map(|_| overrun()).collect(), &batch, &pace);
        assert_eq!(conversation.answers.len(), pace::OVERRUNS);
        assert!(matches!(fault, Some(ProtocolViolation::GivenUp)));
        // What overran another limit cost no time.
        let pace = Pace::new(Duration::from_hours(1));
        let (conversation, _) = listen((0..9).map(|_| overrun()).collect(), &batch, &pace);
        assert_eq!(conversation.answers.len(), 9);
    }
}
