use std::error::Error;

use artifacts_declared::Name;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_text::Explain;

/// Describes a failure of an instance.
pub(crate) fn failure(instance: &Instance, message: impl Into<String>) -> Failure {
    Failure::new(instance.name.to_string(), message).backend(name(instance))
}

/// Describes an error that concerns an instance.
pub(crate) fn about(instance: &Instance, error: impl Error + Explain) -> Failure {
    Failure::about(instance.name.to_string(), error).backend(name(instance))
}

/// Returns the backend of an instance; a blocked one has none.
pub(crate) fn backend(instance: &Instance) -> Result<&Name, Failure> {
    instance.artifact.backend.as_ref().ok_or_else(|| {
        failure(instance, "cannot be evaluated: it reads a public file that does not exist")
            .hint(Some("refer to the file by `path`, or set its `testValue`"))
    })
}

fn name(instance: &Instance) -> Option<String> {
    instance.artifact.backend.as_ref().map(ToString::to_string)
}
