//! The sandbox of workers.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_report::{Area, Failure, HealthFinding};
use artifacts_seam::SandboxLayer;
use artifacts_text::listed;

/// Describes a worker that was started to try its sandbox from the inside.
#[derive(Debug, Clone, Default)]
pub struct WorkerFacts {
    /// Layers that it does not have.
    pub missing: BTreeSet<SandboxLayer>,
    /// What it could do that should not be possible.
    pub possible: Vec<String>,
}

/// Judges the sandbox of workers.
pub fn workers(tried: &Result<WorkerFacts, Failure>) -> Vec<HealthFinding> {
    let facts = match tried {
        Ok(facts) => facts,
        Err(failure) => return vec![super::failed(Area::Workers, "no backend can run: ", failure)],
    };
    let mut by_remedy: BTreeMap<&str, BTreeSet<SandboxLayer>> = BTreeMap::new();
    for layer in &facts.missing {
        by_remedy.entry(remedy(*layer)).or_default().insert(*layer);
    }
    let missing = |(remedy, layers): (&str, BTreeSet<SandboxLayer>)| {
        let weaker = SandboxLayer::all_weaker(&layers).join("; ");
        HealthFinding::work(Area::Workers, weaker).advice(remedy)
    };
    let mut findings: Vec<HealthFinding> = by_remedy.into_iter().map(missing).collect();
    if !facts.possible.is_empty() {
        let what = format!("a component that escapes WebAssembly could do this here: {}", listed(&facts.possible));
        // With a layer missing, that is the consequence.
        findings.push(if facts.missing.is_empty() {
            let report =
                "run only backends that you trust, and report this with the version of the kernel (`uname -r`)";
            HealthFinding::broken(Area::Workers, what).advice(report)
        } else {
            HealthFinding::work(Area::Workers, what).advice("restore the missing layers first")
        });
    }
    if findings.is_empty() {
        findings.push(HealthFinding::ok(Area::Workers, "a worker has every layer of its sandbox, and each one holds"));
    }
    findings
}

/// What gives a worker a layer.
fn remedy(layer: SandboxLayer) -> &'static str {
    match layer {
        SandboxLayer::Tmpfs
        | SandboxLayer::OwnRoot
        | SandboxLayer::OwnRootBehindFilter
        | SandboxLayer::IpcNamespace
        | SandboxLayer::UtsNamespace
        | SandboxLayer::NetworkNamespace
        | SandboxLayer::ProcessNamespace => {
            "allow user namespaces: `sysctl` has kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0 and \
             kernel.apparmor_restrict_unprivileged_userns=0; a container has to allow them as well"
        }
        SandboxLayer::Landlock => "use Linux 5.13 or newer, with `landlock` in the list that the kernel's `lsm=` has",
        SandboxLayer::NewerLandlock => "use Linux 6.12 or newer",
        SandboxLayer::Seccomp => "use a kernel with CONFIG_SECCOMP_FILTER; a container has to allow seccomp as well",
        SandboxLayer::NoCapabilities | SandboxLayer::NoCoreDumps | SandboxLayer::DiesWithParent => {
            "a container or security module denies `prctl`: allow it"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_report::Verdict;

    use super::*;

    fn judged(missing: &[SandboxLayer], possible: &[&str]) -> Vec<(Verdict, String)> {
        let facts = WorkerFacts {
            missing: missing.iter().copied().collect(),
            possible: possible.iter().map(ToString::to_string).collect(),
        };
        let findings = workers(&Ok(facts));
        assert!(findings.iter().all(|one| one.verdict == Verdict::Ok || !one.remedies.is_empty()), "{findings:?}");
        findings.into_iter().map(|one| (one.verdict, one.message)).collect()
    }

    #[test]
    fn layers_with_one_remedy_are_one_finding() {
        assert_eq!(judged(&[], &[])[0].0, Verdict::Ok);
        let found = judged(&[SandboxLayer::OwnRoot, SandboxLayer::UtsNamespace, SandboxLayer::NewerLandlock], &[]);
        assert_eq!(found.iter().map(|(verdict, _)| *verdict).collect::<Vec<_>>(), [Verdict::Work, Verdict::Work]);
        assert!(found.iter().any(|(_, message)| message.contains("root") && message.contains("machine's name")));
    }

    #[test]
    fn every_layer_has_a_finding() {
        for layer in SandboxLayer::ALL {
            assert_eq!(judged(&[layer], &[])[0].1, layer.weaker());
        }
    }

    #[test]
    fn a_wall_that_does_not_hold_is_broken_where_no_layer_is_missing() {
        assert_eq!(judged(&[], &["opening /etc"])[0].0, Verdict::Broken);
        let found = judged(&[SandboxLayer::OwnRoot], &["opening /etc"]);
        assert!(found.iter().all(|(verdict, _)| *verdict == Verdict::Work), "{found:?}");
        assert!(found[1].1.contains("opening /etc"));
    }

    #[test]
    fn no_worker_is_broken() {
        let found = workers(&Err(Failure::new("", "it did not start").hint(Some("allow it"))));
        assert_eq!(
            (found[0].verdict, found[0].message.as_str()),
            (Verdict::Broken, "no backend can run: it did not start")
        );
        assert_eq!(found[0].remedies.len(), 1);
    }
}
