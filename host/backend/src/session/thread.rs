//! A runner on a thread of this process: the shape of a worker without its walls. For tests and measurements.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use artifacts_seam::{Answer, Ask, Request};

use super::engine;
use super::line::{Line, Link, Report, Silence};
use super::room::Room;
use super::runner::{Runner, Unfit};
use crate::{Component, Limits, Refusal};

/// Reports go in batches: waking the other side for each would cost more than the component does.
struct ThreadLine {
    waiting: Mutex<Vec<Report>>,
    reports: Sender<Vec<Report>>,
    answers: Mutex<Receiver<Answer>>,
}

const BATCH: usize = 4096;

impl ThreadLine {
    fn flush(&self) {
        if let Ok(mut waiting) = self.waiting.lock()
            && !waiting.is_empty()
        {
            // A host that went away does not want to know.
            let _ = self.reports.send(std::mem::take(&mut waiting));
        }
    }
}

impl Line for ThreadLine {
    fn report(&self, report: Report) {
        let full = self.waiting.lock().is_ok_and(|mut waiting| {
            waiting.push(report);
            waiting.len() >= BATCH
        });
        if full {
            self.flush();
        }
    }

    fn ask(&self, ask: Ask) -> Answer {
        self.report(Report::Ask(ask));
        self.flush();
        let answer = self.answers.lock().ok().and_then(|answers| answers.recv().ok());
        answer.unwrap_or_else(|| Answer::Denied("the host is gone".to_owned()))
    }
}

pub(crate) struct ThreadLink {
    requests: Option<Sender<Request>>,
    answers: Sender<Answer>,
    reports: Receiver<Vec<Report>>,
    received: std::vec::IntoIter<Report>,
}

impl ThreadLink {
    /// Compiles the component and starts the thread.
    pub(crate) fn start(component: &Component, room: Room, limits: Limits) -> Result<Self, Refusal> {
        let damaged =
            |error: wasmtime::Error| Refusal::Damaged { why: crate::words::escaped(&format!("{error:#}"), 1000) };
        let engine = engine::engine().map_err(damaged)?;
        let compiled = wasmtime::component::Component::new(&engine, component.bytes()).map_err(damaged)?;
        let (requests, inbox) = channel();
        let (answers, answered) = channel();
        let (outbox, reports) = channel();
        let line = Arc::new(ThreadLine { waiting: Mutex::default(), reports: outbox, answers: Mutex::new(answered) });
        let runner = Runner::new(&compiled, Some(room), limits, Arc::clone(&line) as Arc<dyn Line>)
            .map_err(|Unfit(why)| Refusal::Contract { why })?;
        let ticked = Arc::clone(&line);
        engine::tick(&engine, move || ticked.flush());
        thread::spawn(move || {
            while let Ok(request) = inbox.recv() {
                let (outcome, usage) = runner.run(request);
                line.report(Report::Done(outcome, usage));
                line.flush();
            }
        });
        Ok(Self { requests: Some(requests), answers, reports, received: Vec::new().into_iter() })
    }
}

impl Link for ThreadLink {
    fn call(&mut self, request: &Request) -> Result<(), Silence> {
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.send(request.clone()).map_err(|_| gone())
    }

    fn answer(&mut self, answer: &Answer) -> Result<(), Silence> {
        self.answers.send(answer.clone()).map_err(|_| gone())
    }

    fn report(&mut self, patience: Duration) -> Result<Report, Silence> {
        loop {
            if let Some(report) = self.received.next() {
                return Ok(report);
            }
            let batch = self.reports.recv_timeout(patience).map_err(|error| match error {
                RecvTimeoutError::Timeout => Silence::Late,
                RecvTimeoutError::Disconnected => gone(),
            })?;
            self.received = batch.into_iter();
        }
    }

    fn end(&mut self) {
        self.requests = None;
    }
}

fn gone() -> Silence {
    Silence::Gone("its thread ended".to_owned())
}
