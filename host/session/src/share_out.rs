//! Work of one kind, done by several at once.

use std::sync::{Mutex, PoisonError};

/// Has each worker take a call and act on it, and then the next, until none is left. A call is taken out of `calls` when someone begins
/// it: where `calls` ends, at most one for each worker is on its way. The first worker works in this thread; what no thread can be
/// had for, the others do.
///
/// Returns the answers, in the order of the calls.
///
/// # Panics
/// When `act` does.
pub fn share_out<W: Send, C: Send, A: Send>(
    workers: impl IntoIterator<Item = W>,
    calls: impl Iterator<Item = C> + Send,
    act: impl Fn(&mut W, C) -> A + Sync,
) -> Vec<A> {
    let queue = Mutex::new(calls.enumerate());
    let work = |mut worker: W| {
        let mut answers = Vec::new();
        while let Some((at, call)) = next(&queue) {
            answers.push((at, act(&mut worker, call)));
        }
        answers
    };
    let mut workers = workers.into_iter();
    let Some(first) = workers.next() else { return Vec::new() };
    let mut answers = std::thread::scope(|scope| {
        let thread = |worker| std::thread::Builder::new().spawn_scoped(scope, || work(worker)).ok();
        let others: Vec<_> = workers.filter_map(thread).collect();
        let mut answers = work(first);
        for other in others {
            answers.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        answers
    });
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn next<C>(queue: &Mutex<impl Iterator<Item = C>>) -> Option<C> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn answers_have_the_order_of_the_calls_whoever_gave_them() {
        for workers in 1..5 {
            let mut answers: Vec<i32> = share_out(vec![(); workers], 0..100, |(), call| call * 2);
            assert_eq!(answers, (0..200).step_by(2).collect::<Vec<_>>(), "{workers}");
            answers = share_out(vec![(); workers], 0..0, |(), call| call);
            assert!(answers.is_empty(), "{workers}");
        }
    }

    #[test]
    fn all_work_at_once_each_with_what_is_its_own() {
        let all = Barrier::new(3);
        let mut who = share_out(["a", "b", "c"], 0..3, |who, _| {
            all.wait();
            *who
        });
        who.sort_unstable();
        assert_eq!(who, ["a", "b", "c"]);
    }

    #[test]
    fn what_no_one_began_stays_in_the_queue() {
        let mut calls = 0..10;
        let answers = share_out([(); 2], std::iter::from_fn(|| calls.next()).take(4), |(), call| call);
        assert_eq!((answers, calls.next()), (vec![0, 1, 2, 3], Some(4)));
    }
}
