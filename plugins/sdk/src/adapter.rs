use std::marker::PhantomData;

use crate::bindings::exports::artifacts::backend::storage::{Guest, Item as WireItem, State as WireState};
use crate::{Backend, Failure, Instance, Item, Readers, Slice, State};

/// Makes a [`Backend`] what the generated bindings want. Named by [`crate::export!`] only.
#[doc(hidden)]
pub struct Adapter<B>(PhantomData<B>);

impl<B: Backend> Guest for Adapter<B> {
    fn readers(instance: Instance) -> Result<Readers, Failure> {
        B::readers(&instance)
    }

    fn check(instance: Instance) -> Result<WireState, Failure> {
        Ok(match B::check(&instance, &Slice::here())? {
            State::Present => WireState::Present,
            State::Absent => WireState::Absent,
            State::Stale(reasons) => WireState::Stale(reasons),
        })
    }

    fn serialize(instance: Instance, items: Vec<WireItem>) -> Result<(), Failure> {
        let items = items.into_iter().map(|item| Item { name: item.name, value: item.value }).collect();
        B::serialize(&instance, items, &Slice::here())
    }
}
