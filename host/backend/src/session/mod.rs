//! Calls across the seam: a request goes to a runner, its questions are answered, and its reply is judged.

mod bindings;
mod engine;
mod filesystem;
mod journal;
mod line;
mod room;
mod runner;
mod state;
mod thread;

use std::time::{Duration, Instant};

use artifacts_seam::{Answer, Ask, CallError, Checked, Event, Files, Instance, Outcome, Reply, Request, Usage};

use crate::{Component, Error, Limits, Place};
use line::{Link, Report, Silence};

/// What a runner gets beyond its limit of time before it is ended from outside.
const GRACE: Duration = Duration::from_secs(2);

/// Who answers a component's questions.
pub(crate) trait Host {
    fn answer(&mut self, ask: Ask) -> Answer;
}

/// A component, kept ready to be called, wherever it runs.
pub(crate) struct Session {
    component: Component,
    limits: Limits,
    place: Place,
    link: Option<Box<dyn Link>>,
}

/// One conversation with a runner, as far as it came.
#[derive(Default)]
struct Talk {
    answers: Vec<Result<Checked, CallError>>,
    events: Vec<Event>,
    usage: Usage,
}

impl Session {
    pub(crate) fn open(component: Component, limits: Limits, place: Place) -> Result<Self, Error> {
        let mut session = Self { component, limits, place, link: None };
        session.link = Some(session.start()?);
        Ok(session)
    }

    fn start(&self) -> Result<Box<dyn Link>, Error> {
        match &self.place {
            Place::InProcess { scratch } => {
                let room = room::Room::new(scratch.try_clone().map_err(Error::Room)?);
                Ok(Box::new(thread::ThreadLink::start(&self.component, room, self.limits)?))
            }
        }
    }

    /// One call, with its questions answered by `host`.
    pub(crate) fn call(&mut self, request: Request, host: &mut dyn Host) -> Reply {
        match request {
            Request::Check(batch) => self.check(batch, host),
            request => {
                let mut talk = Talk::default();
                let outcome = self.converse(&request, host, &mut talk);
                Reply { outcome, events: talk.events, usage: talk.usage }
            }
        }
    }

    /// An answer that does not come costs only its own instance: the runner is ended, and a fresh one does the rest.
    fn check(&mut self, mut batch: Vec<(Instance, Files)>, host: &mut dyn Host) -> Reply {
        let mut whole = Talk::default();
        while !batch.is_empty() {
            let request = Request::Check(batch);
            let mut talk = Talk::default();
            let outcome = self.converse(&request, host, &mut talk);
            let Request::Check(asked) = request else { unreachable!("it was just made") };
            let missing = talk.answers.len() < asked.len();
            let answered = talk.answers.len() + usize::from(missing);
            whole.add(talk);
            if missing {
                let why =
                    outcome.err().unwrap_or_else(|| CallError::Broken("it answered for fewer than asked".to_owned()));
                whole.answers.push(Err(why));
            }
            batch = asked.into_iter().skip(answered).collect();
        }
        Reply { outcome: Ok(Outcome::Checked(whole.answers)), events: whole.events, usage: whole.usage }
    }

    fn converse(&mut self, request: &Request, host: &mut dyn Host, talk: &mut Talk) -> Result<Outcome, CallError> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => self.restart()?,
        };
        let patience = Duration::from_secs(self.limits.time) * 2 + GRACE;
        match talk.listen(link.as_mut(), request, host, patience) {
            Ok(outcome) => {
                self.link = Some(link);
                outcome
            }
            Err(silence) => {
                link.end();
                Err(match silence {
                    Silence::Late => CallError::Overrun(format!("it took longer than {} s", self.limits.time)),
                    Silence::Gone(how) => CallError::Broken(format!("its process came to an end: {how}")),
                })
            }
        }
    }

    fn restart(&self) -> Result<Box<dyn Link>, CallError> {
        match self.place {
            Place::InProcess { .. } => {
                Err(CallError::Overrun("an earlier call still runs, and in this process nothing can end it".to_owned()))
            }
        }
    }
}

impl Talk {
    fn add(&mut self, other: Self) {
        self.answers.extend(other.answers);
        self.events.extend(other.events);
        self.usage.memory = self.usage.memory.max(other.usage.memory);
        self.usage.micros += other.usage.micros;
        self.usage.calls += other.usage.calls;
    }

    /// Speaks with the runner until the call's end. The runner is not believed more than it takes to go on.
    fn listen(
        &mut self,
        link: &mut dyn Link,
        request: &Request,
        host: &mut dyn Host,
        patience: Duration,
    ) -> Result<Result<Outcome, CallError>, Silence> {
        let instances = if let Request::Check(batch) = request { batch.len() } else { 1 };
        let most_events = (journal::EVENTS + 16) * instances;
        let nonsense = |what: &str| Silence::Gone(format!("it reported {what}"));
        link.call(request)?;
        let mut deadline = Instant::now() + patience;
        loop {
            match link.report(deadline.saturating_duration_since(Instant::now()))? {
                Report::Event(_) if self.events.len() >= most_events => return Err(nonsense("too many events")),
                Report::Event(event) => self.events.push(event),
                Report::Checked(_) if !matches!(request, Request::Check(_)) || self.answers.len() >= instances => {
                    return Err(nonsense("an answer that nobody asked for"));
                }
                Report::Checked(answer) => {
                    self.answers.push(answer);
                    deadline = Instant::now() + patience;
                }
                Report::Ask(ask) => {
                    let asked = Instant::now();
                    let answer = host.answer(ask);
                    link.answer(&answer)?;
                    deadline += asked.elapsed();
                }
                Report::Done(outcome, usage) => {
                    self.usage = usage;
                    return match (&outcome, request) {
                        (Err(_), _)
                        | (Ok(Outcome::Checked(_)), Request::Check(_))
                        | (Ok(Outcome::Serialized(_)), Request::Serialize { .. })
                        | (Ok(Outcome::Retrieved(_)), Request::Retrieve { .. }) => Ok(outcome),
                        _ => Err(nonsense("the outcome of another call")),
                    };
                }
            }
        }
    }
}
