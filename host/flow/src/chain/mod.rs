//! The chain of a run: surveyed, locked, agreed, written. Each stage is made from the one before alone, and taken by value.
//!
//! ```
//! use artifacts_flow::{Adopt, Report, Run, Selection};
//! fn adopt(run: &mut Run, selection: &Selection) -> Report {
//!     run.survey(selection).lock(Adopt).agree().adopt().finish()
//! }
//! ```
//!
//! Nothing is written without consent:
//! ```compile_fail,E0599
//! use artifacts_flow::{Adopt, Report, Run, Selection};
//! fn adopt(run: &mut Run, selection: &Selection) -> Report {
//!     run.survey(selection).lock(Adopt).adopt().finish()
//! }
//! ```
//!
//! Consent to one change is none to another:
//! ```compile_fail,E0599
//! use artifacts_flow::{Adopt, Report, Run, Selection};
//! fn adopt(run: &mut Run, selection: &Selection) -> Report {
//!     run.survey(selection).lock(Adopt).agree().rekey().finish()
//! }
//! ```
//!
//! Consent is used once:
//! ```compile_fail,E0382
//! use artifacts_flow::{Adopt, Report, Run, Selection};
//! fn adopt(run: &mut Run, selection: &Selection) -> Report {
//!     let agreed = run.survey(selection).lock(Adopt).agree();
//!     agreed.adopt();
//!     agreed.adopt().finish()
//! }
//! ```
//!
//! Consent is not made by hand:
//! ```compile_fail,E0451
//! use artifacts_flow::{Adopt, Agreed};
//! fn make<'r>(other: Agreed<'r, Adopt>) -> Agreed<'r, Adopt> {
//!     Agreed { ..other }
//! }
//! ```
//!
//! One chain after another is none of these:
//! ```
//! use artifacts_flow::{Adopt, Agreed, Rekey, Run, Selection, Written};
//! fn pass<'r>(agreed: Agreed<'r, Adopt>) -> Written<'r> {
//!     agreed.adopt()
//! }
//! fn twice(run: &mut Run, selection: &Selection) {
//!     pass(run.survey(selection).lock(Adopt).agree()).finish();
//!     run.survey(selection).lock(Rekey { all: false }).agree().rekey().finish();
//! }
//! ```
//!
//! There is one chain at a time:
//! ```compile_fail,E0499
//! use artifacts_flow::{Run, Selection};
//! fn twice(run: &mut Run, selection: &Selection) {
//!     let one = run.survey(selection);
//!     let other = run.survey(selection);
//!     drop((one, other));
//! }
//! ```

mod agreed;
mod base;
mod change;
mod locked;
mod surveyed;
mod written;

pub use agreed::Agreed;
pub(crate) use base::Base;
pub use change::Change;
pub(crate) use change::sealed::{Plan, Planned};
pub use locked::Locked;
pub use surveyed::Surveyed;
pub use written::Written;
