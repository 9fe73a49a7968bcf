//! A component with a small stack, which is zeroed for each call, and with the memory that most calls need from the beginning: what a call
//! grows is taken away after it.

fn main() {
    println!("cargo::rerun-if-changed=../memory.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=262144");
        println!("cargo::rustc-link-arg-cdylib=--initial-memory=393216");
    }
}
