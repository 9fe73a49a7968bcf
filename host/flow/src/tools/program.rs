use std::path::{Path, PathBuf};

use artifacts_declared::Generator;
use artifacts_generate::StorePath;
use artifacts_nix::Nix;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_text::Explain;

use crate::failure;

/// The store that a path is in, by its name.
pub fn store_of(path: &Path, nix: &Nix) -> Option<StorePath> {
    nix.store_of(path).map(|store| StorePath { path: store.path, real: store.real })
}

/// Where a path of the store, or another one, really is.
pub fn real_path(path: &Path, nix: &Nix) -> PathBuf {
    artifacts_generate::real(path, store_of(path, nix).as_slice())
}

/// The closure of an instance's generator, after building it when it is not there yet; empty when it is outside of the
/// Nix store. Only the generators of what is made are built.
pub fn prepare(instance: &Instance, generator: &Generator, nix: &Nix) -> Result<Vec<StorePath>, Failure> {
    let failed = |e: artifacts_nix::Error| {
        failure::for_instance(instance, format!("its generator cannot be built: {e}")).hint(e.hint())
    };
    if let Some(drv) = &generator.drv
        && !real_path(&generator.path, nix).exists()
    {
        nix.realise(drv).map_err(failed)?;
    }
    if generator.drv.is_some() || nix.store_of(&generator.path).is_some() {
        return closure(&generator.path, nix).map_err(failed);
    }
    Ok(Vec::new())
}

/// What programs in these directories need, of the Nix store.
pub fn closure_of_all(dirs: &[PathBuf], nix: &Nix) -> Result<Vec<StorePath>, Failure> {
    let mut needed = Vec::new();
    for dir in dirs.iter().filter(|dir| nix.store_of(dir).is_some()) {
        let failed = |e: artifacts_nix::Error| Failure::about(dir.display().to_string(), e);
        needed.extend(closure(dir, nix).map_err(failed)?);
    }
    Ok(needed)
}

fn closure(path: &Path, nix: &Nix) -> Result<Vec<StorePath>, artifacts_nix::Error> {
    let paths = nix.closure(path)?;
    Ok(paths.into_iter().map(|path| StorePath { real: real_path(&path, nix), path }).collect())
}
