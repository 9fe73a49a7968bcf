//! The engine: which WebAssembly is spoken, and the clock that ends what does not end.

use std::thread;
use std::time::Duration;

use wasmtime::{Config, Engine};

/// One step of the epoch clock. Deadlines are kept to about this.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// An engine with only the proposals that backends need.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_gc(false)
        .wasm_exceptions(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_threads(false);
    Engine::new(&config)
}

/// Lets the engine's epochs pass until the engine is gone. `each` is called every time.
pub(crate) fn tick(engine: &Engine, mut each: impl FnMut() + Send + 'static) {
    let engine = engine.weak();
    thread::spawn(move || {
        loop {
            thread::sleep(TICK);
            each();
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    });
}
