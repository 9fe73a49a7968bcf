use std::collections::BTreeMap;

use artifacts_age::Keyring;
use artifacts_declared::Recipients;
use artifacts_seam::{
    CallContext, CallError, ComponentEvent, EntryFiles, FailureKind, InstanceView, Outcome, Request, RetrieveAnswers,
    Secret, Usage,
};

use crate::decrypt::{Decrypted, HeaderGate, Openable};
use crate::host_calls::{HostCalls, Phase};
use crate::{CallFailed, DecryptAttempt, RetrieveCall, WorkerSession};
use artifacts_seam::escaped;

/// Holds secrets that were read back.
#[derive(Debug)]
pub struct Retrieved {
    /// By name: exactly what was asked for.
    pub secrets: BTreeMap<String, Secret>,
    /// What was opened for it, as the host saw it.
    pub openings: Vec<DecryptAttempt>,
    /// What came of that.
    pub decrypted: Decrypted,
    /// What happened.
    pub events: Vec<ComponentEvent>,
    /// What it took.
    pub usage: Usage,
    /// Whether the component was given a plaintext: its words may hold it.
    pub saw_plaintext: bool,
}

impl WorkerSession {
    /// Reads the named files back. `openable` has the headers that are known to be this entry's: those of the named files are
    /// decrypted and no others, and each file comes back from its own. All come back, or none. Where the failure's kind is
    /// `no-identity`, it may do after [`Keyring::ask_plugins`].
    ///
    /// # Errors
    /// When the component fails, for a file or as a whole, breaks the contract, or asks for what it may not have.
    pub fn retrieve(
        &mut self,
        context: CallContext,
        instance: InstanceView,
        entry: &EntryFiles,
        names: &[String],
        openable: &Openable,
        keys: &Keyring,
    ) -> Result<Retrieved, CallFailed> {
        self.retrieve_one(context, RetrieveCall { instance, files: entry, names, openable }, keys)
    }

    /// Makes one call.
    pub(crate) fn retrieve_one(
        &mut self,
        context: CallContext,
        RetrieveCall { instance, files: entry, names, openable }: RetrieveCall<'_>,
        keys: &Keyring,
    ) -> Result<Retrieved, CallFailed> {
        if let Some(error) = self.kept_elsewhere().or_else(|| self.unfit(&instance, entry)).or_else(|| self.one_way()) {
            return Err(error.into());
        }
        let request =
            Request::Retrieve { context, instance: instance.name, entry: entry.clone(), names: names.to_vec() };
        let gate = HeaderGate::new(entry, openable, names, keys);
        let nobody = Recipients::new();
        let mut host_calls = HostCalls::new(Phase::Retrieve(gate), &self.grants, &mut self.sealer, &[], &nobody);
        let reply = self.connection.call(request, &mut host_calls);
        let secrets = match reply.outcome {
            Ok(Outcome::Retrieved(answers)) => taken(&host_calls, answers, names),
            Ok(_) => Err(CallError::Broken("it gave the outcome of another call".to_owned())),
            Err(error) => Err(error),
        };
        let (openings, decrypted, saw_plaintext) = host_calls.finish_retrieval();
        let (events, usage) = (reply.events, reply.usage);
        match secrets {
            Ok(secrets) => Ok(Retrieved { secrets, openings, decrypted, events, usage, saw_plaintext }),
            Err(error) => Err(CallFailed { error, by_host: false, events, usage, saw_plaintext, openings }),
        }
    }
}

/// An answer for exactly what was asked for, each once; and if one is that there is no plaintext, that.
fn taken(
    host_calls: &HostCalls<'_>,
    answers: RetrieveAnswers,
    names: &[String],
) -> Result<BTreeMap<String, Secret>, CallError> {
    let mut by_name = BTreeMap::new();
    for (name, answer) in answers {
        if !names.contains(&name) {
            let name = escaped(&name, 200);
            return Err(CallError::Broken(format!("it answered for `{name}`, which it was not asked for")));
        }
        if let Some((name, _)) = by_name.insert(name.clone(), answer).map(|answer| (name, answer)) {
            return Err(CallError::Broken(format!("it answered for `{name}` twice")));
        }
    }
    if let Some(missing) = names.iter().find(|name| !by_name.contains_key(*name)) {
        return Err(CallError::Broken(format!("it did not answer for `{missing}`")));
    }
    let mut secrets = BTreeMap::new();
    let mut is_closed = false;
    for (name, answer) in by_name {
        match answer {
            Ok(value) => {
                let secret = host_calls.given_back(&name, value).map_err(CallError::Broken)?;
                secrets.insert(name, secret);
            }
            // It may do with a plugin, unless another file has worse.
            Err(failure) if failure.kind == FailureKind::NoIdentity => is_closed = true,
            Err(failure) => return Err(CallError::Failed(failure)),
        }
    }
    if is_closed { Err(CallError::Failed(host_calls.no_identity())) } else { Ok(secrets) }
}
