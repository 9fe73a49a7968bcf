//! A part of a composed component: it takes a backend's messages and passes them to the host, each with a prefix. It has a memory
//! of its own, and keeps each message in it.

#[allow(missing_docs, unsafe_code, clippy::pedantic, clippy::unwrap_used, clippy::expect_used)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package test:log-prefix;
            world middle {
                import artifacts:backend/log@0.2.0;
                export artifacts:backend/log@0.2.0;
            }
        ",
        world: "test:log-prefix/middle",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    mod component {
        use super::super::Prefix;
        super::export!(Prefix with_types_in super);
    }
}

use std::cell::RefCell;

use bindings::artifacts::backend::log;
use bindings::exports::artifacts::backend::log::{Guest, Level};

/// The part.
pub struct Prefix;

thread_local! {
    static KEPT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl Guest for Prefix {
    fn log(level: Level, message: String) {
        let level = match level {
            Level::Error => log::Level::Error,
            Level::Warn => log::Level::Warn,
            Level::Info => log::Level::Info,
            Level::Debug => log::Level::Debug,
        };
        log::log(level, &format!("prefix: {message}"));
        KEPT.with_borrow_mut(|kept| kept.push(message));
    }
}
