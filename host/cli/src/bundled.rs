use artifacts_flow::BundledBackends;
use artifacts_report::Failure;

/// Returns the backends inside this program.
pub fn backends() -> BundledBackends {
    BundledBackends {
        names: artifacts_bundled::NAMES,
        component: |name, bundled| artifacts_bundled::component(bundled).map_err(|e| Failure::about(name, e)),
    }
}
