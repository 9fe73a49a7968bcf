//! What a person enters is given to no generator that could pass it on, unless the admin agreed to that.
//!
//! A generator is declared in the repository: one with the network can send an answer away, one with public files can write it into
//! one. Any other only writes what is encrypted to the recipients that were accepted.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::Instance;
use artifacts_report::{AnswerRequest, Failure};
use artifacts_trust::{Checkout, CheckoutId, Trust};

use super::read_access::sha256;
use crate::failure;
use crate::look::steps::Step;
use crate::tools::{Evaluate, Tools};

/// The generators that would get answers and could pass them on, before anyone was asked.
pub struct AnswerRequests {
    sought: BTreeMap<InstanceName, AnswerRequest>,
    checkout: Checkout,
}

impl AnswerRequests {
    /// What these steps would be given.
    pub fn new(tools: &Tools, instances: &BTreeMap<InstanceName, Instance>, steps: &[Step]) -> Self {
        let instances = steps.iter().filter_map(|step| instances.get(&step.name));
        let sought = instances.filter_map(|one| Some((one.name.clone(), request(one, &*tools.evaluator)?)));
        Self { sought: sought.collect(), checkout: tools.checkout.clone() }
    }

    /// Those that no one has agreed to on this machine.
    ///
    /// # Errors
    /// When it cannot be determined.
    pub fn unknown(&self, trust: &Trust) -> Result<Vec<AnswerRequest>, Failure> {
        let id = self.checkout.id().map_err(|e| failed(&e))?;
        let mut unknown = Vec::new();
        for request in self.sought.values() {
            if !is_accepted(trust, id.as_ref(), request)? {
                unknown.push(request.clone());
            }
        }
        Ok(unknown)
    }

    /// Stores what is agreed to: everything, or nothing new. Returns the instances whose generators get no answers.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn settle(self, trust: &Trust, new_ones_too: bool) -> Result<BTreeSet<InstanceName>, Failure> {
        let id = self.checkout.id().map_err(|e| failed(&e))?;
        let mut refused = BTreeSet::new();
        for (name, request) in self.sought {
            if is_accepted(trust, id.as_ref(), &request)? {
                continue;
            }
            if new_ones_too {
                let id = self.checkout.id_or_new().map_err(|e| failed(&e))?;
                trust.accept(&in_repository(&id, &request)).map_err(|e| failed(&e))?;
            } else {
                refused.insert(name);
            }
        }
        Ok(refused)
    }
}

/// Returns why an instance is not generated whose generator was not allowed to get answers.
pub fn denied(instance: &Instance) -> Failure {
    let can = if instance.artifact.network { "has network access" } else { "writes public files" };
    let why =
        format!("its generator wants to use what you enter, and {can}; you have not allowed that on this machine");
    failure::for_instance(instance, why).hint(Some("review the generator, then pass `--accept-reading`"))
}

fn request(instance: &Instance, evaluator: &dyn Evaluate) -> Option<AnswerRequest> {
    let generator = instance.artifact.generator.as_ref()?;
    let public: Vec<String> = instance.public_files().map(ToString::to_string).collect();
    let could_pass_on = instance.artifact.network || !public.is_empty();
    (could_pass_on && !instance.artifact.prompts.is_empty()).then(|| AnswerRequest {
        instance: instance.name.to_string(),
        prompts: instance.artifact.prompts.keys().map(Name::to_string).collect(),
        generator: generator.path.display().to_string(),
        sha256: sha256(generator, evaluator),
        network: instance.artifact.network,
        public,
    })
}

fn is_accepted(trust: &Trust, id: Option<&CheckoutId>, request: &AnswerRequest) -> Result<bool, Failure> {
    id.map_or(Ok(false), |id| trust.accepted(&in_repository(id, request))).map_err(|e| failed(&e))
}

fn in_repository(id: &CheckoutId, request: &AnswerRequest) -> serde_json::Value {
    serde_json::json!({"repository": id, "answers": request.stored()})
}

fn failed(error: &artifacts_trust::Error) -> Failure {
    Failure::about("answers", error)
}
