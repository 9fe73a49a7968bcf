use std::marker::PhantomData;

use crate::bindings::artifacts::backend::secrets::Item as WireItem;
use crate::bindings::exports::artifacts::backend::storage::{Guest as Storage, State as WireState};
use crate::bindings::retrieving::exports::artifacts::backend::retrieval::Guest as Retrieval;
use crate::{Backend, Entry, Failure, Instance, Item, Recipients, Retrieve, State};

/// Makes a [`Backend`] what the generated bindings want. Named by [`crate::export!`] only.
#[doc(hidden)]
pub struct Adapter<B>(PhantomData<B>);

impl<B: Backend> Storage for Adapter<B> {
    fn readers(instance: Instance) -> Result<Recipients, Failure> {
        B::recipients(&instance)
    }

    fn check(instance: Instance) -> Result<WireState, Failure> {
        Ok(match B::check(&instance, &Entry::here())? {
            State::Present => WireState::Present,
            State::Absent => WireState::Absent,
            State::Stale(reasons) => WireState::Stale(reasons),
        })
    }

    fn serialize(instance: Instance, items: Vec<WireItem>) -> Result<(), Failure> {
        let items = items.into_iter().map(|item| Item { name: item.name, value: item.value }).collect();
        B::serialize(&instance, items, &Entry::here())
    }
}

impl<B: Retrieve> Retrieval for Adapter<B> {
    fn retrieve(instance: Instance, names: Vec<String>) -> Result<Vec<WireItem>, Failure> {
        let items = B::retrieve(&instance, &names, &Entry::here())?;
        Ok(items.into_iter().map(|item| WireItem { name: item.name, value: item.value }).collect())
    }
}
