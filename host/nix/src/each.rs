use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::{Error, EvaluationStep, Flake, TargetRef};

impl Flake<'_> {
    /// Asks about targets in parallel, as many at a time as the options say. The results are in the order of the targets.
    pub(crate) fn ask_each<T: Send>(
        &self,
        targets: &[TargetRef],
        ask: impl Fn(&TargetRef) -> Result<T, Error> + Sync,
    ) -> Vec<Result<T, Error>> {
        let (next, over, total) = (AtomicUsize::new(0), AtomicUsize::new(0), targets.len());
        let tell = |target: &TargetRef, is_over| {
            let done = if is_over { over.fetch_add(1, Ordering::Relaxed) + 1 } else { over.load(Ordering::Relaxed) };
            self.nix.options.observer.tell(EvaluationStep { target: &target.name, is_over, done, total });
        };
        let results: Mutex<Vec<Option<Result<T, Error>>>> = Mutex::new(targets.iter().map(|_| None).collect());
        thread::scope(|scope| {
            for _ in 0..self.nix.options.jobs.get().min(targets.len()) {
                scope.spawn(|| {
                    while let Some((number, target)) = take(&next, targets) {
                        tell(target, false);
                        let result = ask(target);
                        tell(target, true);
                        if let Ok(mut results) = results.lock() {
                            results[number] = Some(result);
                        }
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        results.into_iter().map(|result| result.unwrap_or(Err(Error::Cancelled))).collect()
    }
}

fn take<'a>(next: &AtomicUsize, targets: &'a [TargetRef]) -> Option<(usize, &'a TargetRef)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    targets.get(number).map(|target| (number, target))
}
