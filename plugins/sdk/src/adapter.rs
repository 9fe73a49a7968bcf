use std::marker::PhantomData;

use crate::bindings::artifacts::backend::entries::{Entry as EntryHandle, EntryWriter};
use crate::bindings::artifacts::backend::secrets::Item as WireItem;
use crate::bindings::exports::artifacts::backend::storage::{
    FileRecipients, Guest as Storage, Reason as WireReason, Recipient as WireRecipient, SerializeError,
    Stale as WireStale, State as WireState,
};
use crate::bindings::retrieving::exports::artifacts::backend::retrieval::{Answer as WireAnswer, Guest as Retrieval};
use crate::{Answer, Backend, Context, Entry, Failure, Instance, Item, Reason, Recipient, Retrieve, Stale, State};

/// Makes a [`Backend`] what the generated bindings want. Named by [`crate::export!`] only. The entry is used as the directory
/// that it is, too.
#[doc(hidden)]
pub struct Adapter<B>(PhantomData<B>);

impl<B: Backend> Storage for Adapter<B> {
    fn recipients(instance: Instance) -> Result<Vec<FileRecipients>, Failure> {
        let of_file = |(file, recipients): (String, Vec<Recipient>)| FileRecipients {
            file,
            recipients: recipients.into_iter().map(wire_recipient).collect(),
            attrs: Vec::new(),
        };
        Ok(B::recipients(&instance)?.into_iter().map(of_file).collect())
    }

    fn check(context: Context, instance: Instance, _: &EntryHandle) -> Result<WireState, Failure> {
        Ok(match B::check(&context, &instance, &Entry::here())? {
            State::Present => WireState::Present,
            State::Absent => WireState::Absent,
            State::Stale(Stale { first, rest }) => WireState::Stale(WireStale {
                first: wire_reason(first),
                rest: rest.into_iter().map(wire_reason).collect(),
                attrs: Vec::new(),
            }),
        })
    }

    fn serialize(
        context: Context,
        instance: Instance,
        items: Vec<WireItem>,
        _: &EntryWriter,
    ) -> Result<(), SerializeError> {
        let items = items.into_iter().map(|item| Item { name: item.name, value: item.value }).collect();
        B::serialize(&context, &instance, items, &Entry::here())
    }
}

impl<B: Retrieve> Retrieval for Adapter<B> {
    fn retrieve(context: Context, files: Vec<String>, _: &EntryHandle) -> Result<Vec<WireAnswer>, Failure> {
        let answers = B::retrieve(&context, &files, &Entry::here())?;
        Ok(answers.into_iter().map(|Answer { file, value }| WireAnswer { file, value, attrs: Vec::new() }).collect())
    }
}

fn wire_recipient(recipient: Recipient) -> WireRecipient {
    let kind = recipient.kind();
    WireRecipient { key: recipient.key, kind, label: recipient.label, attrs: Vec::new() }
}

fn wire_reason(Reason { kind, message, kept }: Reason) -> WireReason {
    let attrs = kept.into_iter().flat_map(|(file, key)| [("file".to_owned(), file), ("kept".to_owned(), key)]);
    WireReason { kind, message, attrs: attrs.collect() }
}
