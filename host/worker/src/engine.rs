//! The engine: which WebAssembly is spoken, and the clock that ends what does not end.

use std::thread;
use std::time::Duration;

use wasmtime::{Config, Engine};

/// One step of the epoch clock. Deadlines are kept to about this.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// What compiled code belongs to, besides the component: another engine refuses it in any case, this keeps them apart.
pub(crate) const VERSION: &str = concat!("wasmtime48-", env!("CARGO_PKG_VERSION"));

/// An engine that runs code.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// An engine that compiles: for this processor, or for any one of this architecture.
pub(crate) fn compiler(baseline: bool) -> wasmtime::Result<Engine> {
    let mut config = config();
    if baseline {
        config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))?;
    }
    Engine::new(&config)
}

/// Only the proposals that backends need.
fn config() -> Config {
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
    config
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
