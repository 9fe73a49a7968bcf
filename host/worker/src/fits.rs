//! Whether a component fits this host, told before anything of it runs: the types of its imports are those that are linked, the
//! types of its exports are those that are called, and what it begins with is within its limits.

use artifacts_seam::protocol::FromWorker;
use artifacts_seam::{CONTRACT, Limits, escaped};
use artifacts_text::size;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentNamedList, InstancePre, Lift, Linker, Lower, Resource};

use crate::bindings::retrieval::Answer;
use crate::bindings::storage::{FileRecipients, Item, SerializeError, State};
use crate::bindings::types::{Context, Failure, Instance};
use crate::entry_handle::{ReadHandle, WriteHandle};
use crate::state::{GuestState, MOST_MEMORIES};

/// Says why a component does not fit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// Its imports or exports are of other types than the contract's.
    #[error("{0}")]
    Contract(String),
    /// It begins with more than its limits.
    #[error("{0}")]
    Large(String),
}

impl Unfit {
    /// What the host is told, fit to be shown.
    pub(crate) fn message(&self) -> FromWorker {
        let shown = escaped(&self.to_string(), 1000);
        match self {
            Self::Contract(_) => FromWorker::Mismatch(shown),
            Self::Large(_) => FromWorker::Large(shown),
        }
    }
}

/// What memories are measured in, in bytes.
const PAGE: u64 = 64 << 10;

/// What a component begins with, against its limits. How much all of its memories hold together is known once it is instantiated.
pub(crate) fn limits(component: &Component, limits: &Limits) -> Result<(), Unfit> {
    let Some(needed) = component.resources_required() else { return Ok(()) };
    let begins = needed.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE);
    if begins > limits.memory {
        let (begins, most) = (size(begins), size(limits.memory));
        return Err(Unfit::Large(format!("it begins with {begins} of memory; its limit is {most}")));
    }
    for (count, what) in [(needed.num_memories, "memories"), (needed.num_tables, "tables")] {
        if count > MOST_MEMORIES {
            return Err(Unfit::Large(format!("it has {count} {what}; at most {MOST_MEMORIES} are possible")));
        }
    }
    Ok(())
}

/// Links a component whose imports are of the types that the linker has, and whose exports are of those that the host calls.
pub(crate) fn link(component: &Component, linker: &Linker<GuestState>) -> Result<InstancePre<GuestState>, Unfit> {
    let pre = linker.instantiate_pre(component).map_err(|error| Unfit::Contract(unlinked(&error)))?;
    exports(&pre).map_err(Unfit::Contract)?;
    Ok(pre)
}

/// Whether a linked component reads secrets back.
pub(crate) fn retrieves(linked: &InstancePre<GuestState>) -> bool {
    linked.component().get_export_index(None, interface("retrieval").as_str()).is_some()
}

/// The functions that the host calls, with the types that it calls them with.
fn exports(pre: &InstancePre<GuestState>) -> Result<(), String> {
    type Read = Resource<ReadHandle>;
    type Write = Resource<WriteHandle>;
    let storage = interface("storage");
    function::<(&Instance,), (Result<Vec<FileRecipients>, Failure>,)>(pre, &storage, "recipients")?;
    function::<(&Context, &Instance, Read), (Result<State, Failure>,)>(pre, &storage, "check")?;
    function::<(&Context, &Instance, &[Item], Write), (Result<(), SerializeError>,)>(pre, &storage, "serialize")?;
    if retrieves(pre) {
        let retrieval = interface("retrieval");
        function::<(&Context, &[String], Read), (Result<Vec<Answer>, Failure>,)>(pre, &retrieval, "retrieve")?;
    }
    Ok(())
}

fn interface(name: &str) -> String {
    format!("artifacts:backend/{name}@{CONTRACT}")
}

/// Whether the component exports this function with these parameters and this result.
fn function<P, R>(linked: &InstancePre<GuestState>, interface: &str, name: &str) -> Result<(), String>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let component = linked.component();
    let Some((ComponentItem::ComponentInstance(_), exported)) = component.get_export(None, interface) else {
        return Err(format!("expected the export `{interface}` to be an instance, found something else"));
    };
    match component.get_export(Some(&exported), name) {
        Some((ComponentItem::ComponentFunc(function), _)) => function
            .typecheck::<P, R>(&linked.instance_type())
            .map_err(|error| format!("its export `{name}` of `{interface}` has another type: {error:#}")),
        Some(_) => Err(format!("expected its export `{name}` of `{interface}` to be a function, found something else")),
        None => Err(format!("expected the function `{name}` among its exports of `{interface}`, found none")),
    }
}

/// Why a component cannot be linked: which import it is, and which function of it.
fn unlinked(error: &wasmtime::Error) -> String {
    let links: Vec<String> = error.chain().map(ToString::to_string).collect();
    let quoted = |link: &str| link.split('`').nth(1).map(str::to_owned);
    let names = |interface: &str, item: &str| Some((quoted(interface)?, quoted(item)?));
    let [interface, item, why @ ..] = links.as_slice() else { return format!("{error:#}") };
    match (names(interface, item), why) {
        (Some((interface, item)), [missing]) if missing.ends_with("implementation is missing") => {
            format!("expected its import `{item}` of `{interface}` in this host's interface of that name, found none")
        }
        (Some((interface, item)), [_, ..]) => {
            format!("its import `{item}` of `{interface}` has another type: {}", why.join(": "))
        }
        _ => format!("{error:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::CONTRACT;

    #[test]
    fn the_version_is_that_of_the_contract() {
        let contract = include_str!("../../../wit/backend.wit");
        assert!(contract.lines().any(|line| line == format!("package artifacts:backend@{CONTRACT};")));
    }
}
