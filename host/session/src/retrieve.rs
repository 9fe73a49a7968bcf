use std::collections::BTreeMap;

use artifacts_age::Keyring;
use artifacts_declared::Recipients;
use artifacts_seam::{
    CallError, ComponentEvent, EntryFiles, InstanceView, Outcome, PlaintextRef, Request, Secret, Usage,
};

use crate::decrypt::{HeaderGate, Openable};
use crate::host_calls::{HostCalls, Phase};
use crate::{CallFailed, DecryptAttempt, WorkerSession};
use artifacts_seam::escaped;

/// Holds secrets that were read back.
#[derive(Debug)]
pub struct Retrieved {
    /// By name: exactly what was asked for.
    pub secrets: BTreeMap<String, Secret>,
    /// What was opened for it, as the host saw it.
    pub openings: Vec<DecryptAttempt>,
    /// What happened.
    pub events: Vec<ComponentEvent>,
    /// What it took.
    pub usage: Usage,
    /// Whether the component was given a plaintext: its words may hold it.
    pub saw_plaintext: bool,
}

impl WorkerSession {
    /// Reads the named files back. `openable` has the headers that are known to be this entry's: those of the named files are
    /// decrypted and no others, and each file comes back from its own. Where the failure's kind is `no-identity`, it may do after
    /// [`Keyring::ask_plugins`].
    ///
    /// # Errors
    /// When the component fails, breaks the contract, or asks for what it may not have.
    #[allow(clippy::result_large_err, reason = "a call that fails is told whole, and is no hot path")]
    pub fn retrieve(
        &mut self,
        instance: InstanceView,
        slice: &EntryFiles,
        names: &[String],
        openable: &Openable,
        keys: &mut Keyring,
    ) -> Result<Retrieved, CallFailed> {
        if let Some(error) = self.kept_elsewhere().or_else(|| self.unfit(&instance, slice)).or_else(|| self.one_way()) {
            return Err(error.into());
        }
        let request = Request::Retrieve { instance, slice: slice.clone(), names: names.to_vec() };
        let gate = HeaderGate::new(slice, openable, names, keys);
        let nobody = Recipients::new();
        let mut host_calls = HostCalls::new(Phase::Retrieve(gate), &self.grants, &mut self.sealer, &[], &nobody);
        let reply = self.connection.call(request, &mut host_calls);
        let secrets = match reply.outcome {
            Ok(Outcome::Retrieved(items)) => taken(&host_calls, items, names).map_err(CallError::Broken),
            Ok(_) => Err(CallError::Broken("it gave the outcome of another call".to_owned())),
            Err(error) => Err(error),
        };
        let (openings, saw_plaintext) = host_calls.finish_retrieval();
        let (events, usage) = (reply.events, reply.usage);
        match secrets {
            Ok(secrets) => Ok(Retrieved { secrets, openings, events, usage, saw_plaintext }),
            Err(error) => Err(CallFailed { error, by_host: false, events, usage, saw_plaintext, openings }),
        }
    }
}

/// Exactly what was asked for, each once.
fn taken(
    host_calls: &HostCalls<'_>,
    items: Vec<(String, PlaintextRef)>,
    names: &[String],
) -> Result<BTreeMap<String, Secret>, String> {
    let mut secrets = BTreeMap::new();
    for (name, value) in items {
        if !names.contains(&name) {
            return Err(format!("it gave `{}`, which nobody asked for", escaped(&name, 200)));
        }
        let secret = host_calls.given_back(&name, value)?;
        if secrets.insert(name.clone(), secret).is_some() {
            return Err(format!("it gave `{name}` twice"));
        }
    }
    match names.iter().find(|name| !secrets.contains_key(*name)) {
        Some(missing) => Err(format!("it did not give `{missing}`")),
        None => Ok(secrets),
    }
}
