use std::path::PathBuf;

use artifacts_declared::Generator;
use artifacts_nix::Nix;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_text::Explain;

use crate::failure;

/// The closure of an instance's generator, after building it when it is not there yet; empty when it is outside of the
/// Nix store. Only the generators of what is made are built.
pub fn prepare(instance: &Instance, generator: &Generator, nix: &Nix) -> Result<Vec<PathBuf>, Failure> {
    let failed = |e: artifacts_nix::Error| {
        failure::for_instance(instance, format!("its generator cannot be built: {e}")).hint(e.hint())
    };
    if let Some(drv) = &generator.drv
        && !generator.path.exists()
    {
        nix.realise(drv).map_err(failed)?;
    }
    if generator.drv.is_some() || nix.is_in_store(&generator.path) {
        return nix.closure(&generator.path).map_err(failed);
    }
    Ok(Vec::new())
}

/// What programs in these directories need, of the Nix store.
pub fn closure(dirs: &[PathBuf], nix: &Nix) -> Result<Vec<PathBuf>, Failure> {
    let mut needed = Vec::new();
    for dir in dirs.iter().filter(|dir| nix.is_in_store(dir)) {
        let failed = |e: artifacts_nix::Error| Failure::about(dir.display().to_string(), e);
        needed.extend(nix.closure(dir).map_err(failed)?);
    }
    Ok(needed)
}
