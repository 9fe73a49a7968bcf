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

/// What compilers and tools for components make today, and no proposal more. `BACKEND_GUIDE.md` lists them. Threads and exceptions are
/// left out of the engine when it is built.
///
/// Several memories in one module are for what wasmtime itself puts between composed components: it copies from the memory of
/// one to that of the other. How much all memories of a component instance hold together, its store's limiter says.
fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_multi_memory(true)
        .wasm_gc(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Two components, of which one passes a list to the other: wasmtime compiles an adapter between them.
    const COMPOSED: &str = r#"(component
        (component $a
            (core module $m
                (memory (export "memory") 1)
                (func (export "f") (param i32 i32))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func (export "f") (param "x" (list u8))
                (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
        (component $b
            (import "f" (func $f (param "x" (list u8))))
            (core module $m
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
            (core module $n
                (import "" "f" (func $f (param i32 i32)))
                (func (export "g") i32.const 0 i32.const 1 call $f))
            (core instance $i (instantiate $m))
            (core func $lowered (canon lower (func $f) (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
            (core instance $j (instantiate $n (with "" (instance (export "f" (func $lowered))))))
            (func (export "g") (canon lift (core func $j "g"))))
        (instance $x (instantiate $a))
        (instance $y (instantiate $b (with "f" (func $x "f"))))
        (export "g" (func $y "g")))"#;

    #[test]
    fn composed_components_are_compiled() {
        let component = wat::parse_str(COMPOSED).unwrap();
        for engine in [engine(), compiler(true)] {
            engine.unwrap().precompile_component(&component).unwrap();
        }
    }

    #[test]
    fn a_proposal_that_is_off_is_named() {
        for (module, name) in [
            ("(memory i64 1)", "memory64"),
            ("(memory 1 1 shared)", "threads"),
            ("(func return_call 0)", "tail call"),
            ("(tag)", "exceptions"),
            ("(type (array i8))", "gc"),
        ] {
            let component = wat::parse_str(format!("(component (core module {module}))")).unwrap();
            let error = engine().unwrap().precompile_component(&component).unwrap_err();
            assert!(format!("{error:#}").contains(name), "{module}: {error:#}");
        }
    }
}
