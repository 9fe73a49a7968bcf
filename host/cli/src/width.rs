//! How wide lines are.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use crate::environment::is_dumb_terminal;

/// Lines are as wide as the terminal, but not wider than this: longer ones are hard to read.
const WIDEST: usize = 120;
/// Lines are not narrower than this.
const NARROWEST: usize = 40;
/// The width where the terminal does not tell.
const USUAL: usize = 80;

/// Returns how wide help texts are, in columns.
pub fn of_help() -> usize {
    terminal_size::terminal_size().map_or(USUAL, |(width, _)| usize::from(width.0).clamp(NARROWEST, 100))
}

/// Returns how wide lines on a stream are, in columns. What is no terminal gets whole lines.
pub fn width_of(stream: &(impl AsFd + IsTerminal)) -> usize {
    if !stream.is_terminal() {
        return usize::MAX;
    }
    let size = terminal_size::terminal_size_of(stream).filter(|_| !is_dumb_terminal());
    size.map_or(USUAL, |(width, _)| usize::from(width.0).clamp(NARROWEST, WIDEST))
}
