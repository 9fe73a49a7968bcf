//! Nix: its version, and settings by which others than the admin decide what is run or believed.

use artifacts_report::{Area, Failure, HealthFinding};

/// The oldest version that is tested.
const OLDEST: (u64, u64) = (2, 8);

/// Describes the Nix of this machine.
#[derive(Debug, Clone)]
pub struct NixFacts {
    /// Its version, as it prints it.
    pub version: String,
    /// Its settings, `NAME = VALUE` each in a line; none if it does not report them.
    pub settings: Option<String>,
}

/// A setting that makes something weaker.
struct Weak {
    name: &'static str,
    /// Whether a value is the weak one.
    weakens: fn(&str) -> bool,
    why: &'static str,
    remedy: &'static str,
}

const WEAK: [Weak; 4] = [
    Weak {
        name: "accept-flake-config",
        weakens: |value| value == "true",
        why: "anyone who can push to the repository can change settings of Nix, such as where it downloads from",
        remedy: "accept-flake-config = false",
    },
    Weak {
        name: "sandbox",
        weakens: |value| value != "true",
        why: "a build of a generator could read files of this machine and use the network",
        remedy: "sandbox = true",
    },
    Weak {
        name: "require-sigs",
        weakens: |value| value == "false",
        why: "Nix runs generators and backends that it downloads from anyone",
        remedy: "require-sigs = true",
    },
    Weak {
        name: "trusted-users",
        weakens: |value| value.split_whitespace().any(|user| user == "*"),
        why: "every user of this machine can add what they like to the Nix store",
        remedy: "trusted-users = root",
    },
];

/// Judges Nix.
pub fn nix(found: &Result<NixFacts, Failure>) -> Vec<HealthFinding> {
    let facts = match found {
        Ok(facts) => facts,
        Err(failure) => return vec![super::failed(Area::Nix, "", failure)],
    };
    let mut findings = vec![version(&facts.version)];
    let Some(settings) = &facts.settings else {
        findings.push(
            HealthFinding::work(Area::Nix, "cannot determine the settings of Nix")
                .command(["nix", "config", "show"])
                .advice("fix what this command reports"),
        );
        return findings;
    };
    let value = |name: &str| settings.lines().find_map(|line| line.split_once(" = ").filter(|(key, _)| *key == name));
    let weak = WEAK.iter().filter_map(|setting| {
        let (_, value) = value(setting.name).filter(|(_, value)| (setting.weakens)(value.trim()))?;
        let what = format!("`{} = {}`: {}", setting.name, value.trim(), setting.why);
        Some(HealthFinding::work(Area::Nix, what).advice(format!("set `{}` in nix.conf", setting.remedy)))
    });
    let weak: Vec<HealthFinding> = weak.collect();
    if weak.is_empty() {
        findings.push(HealthFinding::ok(Area::Nix, "no setting of Nix makes the sandbox or the store weaker"));
    }
    findings.extend(weak);
    findings
}

/// Judges the version, `nix (Nix) 2.26.3`.
fn version(text: &str) -> HealthFinding {
    let number = text.rsplit(' ').next().unwrap_or_default();
    let mut parts = number.split(['.', '-', 'p']).map(str::parse::<u64>);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        return HealthFinding::work(Area::Nix, format!("cannot determine the version of Nix from `{text}`"))
            .command(["nix", "--version"]);
    };
    if (major, minor) < OLDEST {
        let what = format!("{text} is older than {}.{}, the oldest version that is tested", OLDEST.0, OLDEST.1);
        return HealthFinding::work(Area::Nix, what).advice("install a newer Nix");
    }
    HealthFinding::ok(Area::Nix, text)
}

#[cfg(test)]
mod tests {
    use artifacts_report::Verdict;

    use super::*;

    fn judged(version: &str, settings: Option<&str>) -> Vec<(Verdict, String)> {
        let facts = NixFacts { version: version.to_owned(), settings: settings.map(str::to_owned) };
        nix(&Ok(facts)).into_iter().map(|one| (one.verdict, one.message)).collect()
    }

    #[test]
    fn old_and_strange_versions_are_work() {
        let verdict = |text: &str| version(text).verdict;
        assert_eq!(verdict("nix (Nix) 2.8.0"), Verdict::Ok);
        assert_eq!(verdict("nix (Nix) 2.34pre20260101_1234567"), Verdict::Ok);
        assert_eq!(verdict("nix (Lix, like Nix) 2.91.1"), Verdict::Ok);
        assert_eq!(verdict("nix (Nix) 2.7.0"), Verdict::Work);
        assert_eq!(verdict("nix"), Verdict::Work);
    }

    #[test]
    fn each_weak_setting_is_named_with_its_value() {
        let good = "accept-flake-config = false\nrequire-sigs = true\nsandbox = true\ntrusted-users = root\n";
        assert!(judged("nix (Nix) 2.8.0", Some(good)).iter().all(|(verdict, _)| *verdict == Verdict::Ok));
        for (name, value) in [
            ("accept-flake-config", "true"),
            ("require-sigs", "false"),
            ("sandbox", "relaxed"),
            ("trusted-users", "root *"),
        ] {
            let bad: String = good
                .lines()
                .map(|line| if line.starts_with(name) { format!("{name} = {value}\n") } else { format!("{line}\n") })
                .collect();
            let found = judged("nix (Nix) 2.8.0", Some(&bad));
            let work: Vec<_> = found.iter().filter(|(verdict, _)| *verdict == Verdict::Work).collect();
            assert!(
                matches!(work.as_slice(), [(_, message)] if message.starts_with(&format!("`{name} = {value}`"))),
                "{found:?}"
            );
        }
        assert_eq!(judged("nix (Nix) 2.8.0", None).last().map(|(verdict, _)| *verdict), Some(Verdict::Work));
        assert_eq!(nix(&Err(Failure::new("", "no nix"))).first().map(|one| one.verdict), Some(Verdict::Broken));
    }
}
