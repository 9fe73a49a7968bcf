//! What tests of this crate share.

use std::sync::Arc;

use artifacts_plan::ShortNames;

use crate::Style;

/// Begins each color.
const BEGIN: char = char::from_u32(0x1b).unwrap();

/// A page of so many columns.
pub(crate) fn style(width: usize) -> Style {
    Style { width, foreign: 2, verbose: false, names: Arc::new(ShortNames::default()) }
}

/// The text without its colors.
pub(crate) fn plain(text: &str) -> String {
    let mut parts = text.split(BEGIN);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}
