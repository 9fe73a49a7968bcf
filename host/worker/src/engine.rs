//! The engine: which WebAssembly is spoken, and the clock that ends what does not end.

use std::thread;
use std::time::Duration;

use artifacts_seam::frame::LARGEST_CODE;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::state::{MOST_INSTANCES, MOST_MEMORIES};

/// One step of the epoch clock. Deadlines are kept to about this.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// What compiled code belongs to, besides the component: another engine refuses it in any case, this keeps them apart.
pub(crate) const VERSION: &str = concat!("wasmtime48-", env!("CARGO_PKG_VERSION"));

/// The most entries of a table. Those of a JavaScript engine are some 8,000.
const MOST_ENTRIES: usize = 1 << 16;
/// So many bytes of a memory, and of a table, are zeroed and kept for the next component instance, which is faster than to give them back
/// and get others. The bundled backends have no more; what is beyond is given back.
const ZEROED: usize = 384 << 10;

/// An engine that runs code. Where there are no addresses for a pool, which reserves hundreds of gigabytes of them, each component
/// instance gets its own.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    let mut pooled = config();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    Engine::new(&pooled).or_else(|_| Engine::new(&config()))
}

/// What component instances, of which there is one at a time, are made of.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    // How large an instance's own state is follows from its code, and no code is so large.
    pool.total_component_instances(1).max_component_instance_size(LARGEST_CODE).max_core_instance_size(LARGEST_CODE);
    pool.total_core_instances(MOST_INSTANCES).total_memories(MOST_MEMORIES).total_tables(MOST_MEMORIES);
    // How much they may hold says the store's limiter.
    pool.max_memories_per_module(MOST_MEMORIES).max_memory_size(4 << 30);
    pool.max_tables_per_module(MOST_MEMORIES).table_elements(MOST_ENTRIES);
    // None runs on a stack of its own.
    pool.total_stacks(0);
    pool.linear_memory_keep_resident(ZEROED).table_keep_resident(ZEROED);
    pool
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

    /// Fills all that it has, and says whether it finds anything. Its memory is larger than what is zeroed.
    const DIRTY: &str = r#"(component
        (core module $m
            (memory 8)
            (table 4 funcref)
            (elem declare func $dirty)
            (global $g (mut i32) (i32.const 0))
            (func $dirty (export "dirty")
                (drop (memory.grow (i32.const 3)))
                (memory.fill (i32.const 0) (i32.const 255) (i32.mul (memory.size) (i32.const 65536)))
                (table.fill (i32.const 0) (ref.func $dirty) (table.size))
                (global.set $g (i32.const 1)))
            (func (export "found") (result i32)
                (local $at i32)
                (local $found i32)
                (local.set $found (i32.or (global.get $g) (i32.xor (memory.size) (i32.const 8))))
                (loop $more
                    (local.set $found (i32.or (local.get $found) (i32.load (local.get $at))))
                    (local.set $at (i32.add (local.get $at) (i32.const 4)))
                    (br_if $more (i32.lt_u (local.get $at) (i32.const 524288))))
                (loop $next
                    (local.set $at (i32.sub (local.get $at) (i32.const 131072)))
                    (local.set $found
                        (i32.or
                            (local.get $found)
                            (i32.eqz (ref.is_null (table.get (i32.div_u (local.get $at) (i32.const 131072)))))))
                    (br_if $next (local.get $at)))
                (local.get $found))
            (func (export "beyond") (drop (i32.load (i32.const 524288)))))
        (core instance $i (instantiate $m))
        (func (export "dirty") (canon lift (core func $i "dirty")))
        (func (export "found") (result u32) (canon lift (core func $i "found")))
        (func (export "beyond") (canon lift (core func $i "beyond"))))"#;

    #[test]
    fn a_component_instance_finds_nothing_of_the_one_before() {
        use wasmtime::component::{Component, Linker};
        let engine = engine().unwrap();
        let component = Component::new(&engine, wat::parse_str(DIRTY).unwrap()).unwrap();
        let called = |name: &str, found: bool| {
            let mut store = wasmtime::Store::new(&engine, ());
            store.set_epoch_deadline(1);
            let instance = Linker::new(&engine).instantiate(&mut store, &component).unwrap();
            let find = instance.get_typed_func::<(), (u32,)>(&mut store, "found").unwrap();
            let call = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            assert_eq!(find.call(&mut store, ()).unwrap(), (0,));
            let result = call.call(&mut store, ());
            if result.is_ok() {
                assert_eq!(find.call(&mut store, ()).unwrap() != (0,), found);
            }
            result
        };
        for _ in 0..3 {
            called("dirty", true).unwrap();
            assert!(called("beyond", false).is_err(), "memory that the one before had is not there");
        }
    }

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
