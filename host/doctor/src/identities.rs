//! The files and variables that give private keys.

use std::path::PathBuf;

use artifacts_report::{Area, HealthFinding};

/// Describes a place at which an identity is looked for. Nothing of its content is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityPlace {
    /// Path or variable.
    pub name: String,
    /// Whether the admin named it; otherwise it is one of the usual places.
    pub is_named: bool,
    /// What is there.
    pub source: IdentitySource,
}

/// Says what is at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// Nothing.
    Absent,
    /// Something that cannot be read, for this reason.
    Unreadable(String),
    /// Something that is not read here, for this reason: reading it would take it away, or run a program.
    NotRead(String),
    /// A file or text that begins like no identity that is used, as commands report it.
    Unusable {
        /// The message, which names the place.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A file or text that begins like this kind of identity.
    Found {
        /// The kind, as a noun.
        kind: String,
        /// Age plugin that it needs.
        plugin: Option<String>,
        /// The file, where other users can read or write it.
        open: Option<OpenFile>,
    },
}

/// Describes a file that other users can read or write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFile {
    /// Its path.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
}

/// Judges the places of identities. They are neither used nor read beyond what tells their kind.
pub fn identities(places: &[IdentityPlace]) -> Vec<HealthFinding> {
    let area = Area::Identities;
    let mut findings: Vec<HealthFinding> = places.iter().flat_map(judge).collect();
    let is_there = |place: &IdentityPlace| match &place.source {
        IdentitySource::Found { .. } | IdentitySource::NotRead(_) => true,
        IdentitySource::Absent | IdentitySource::Unreadable(_) | IdentitySource::Unusable { .. } => false,
    };
    if !places.iter().any(is_there) {
        let searched: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
        let what = match searched.as_slice() {
            [] => "no identity: no place to look for one is known".to_owned(),
            some => format!("no identity: nothing that is stored can be decrypted here; looked at {}", some.join(", ")),
        };
        findings.push(
            HealthFinding::work(area, what)
                .advice("pass one with `-i FILE`, or generate one: `artifacts keygen -o ~/.config/sops/age/keys.txt`"),
        );
    }
    findings
}

fn judge(IdentityPlace { name, is_named, source }: &IdentityPlace) -> Vec<HealthFinding> {
    let area = Area::Identities;
    match source {
        IdentitySource::Absent if *is_named => {
            vec![HealthFinding::broken(area, format!("{name} does not exist")).advice("pass the path of an identity")]
        }
        IdentitySource::Absent => Vec::new(),
        IdentitySource::NotRead(why) => vec![HealthFinding::ok(area, format!("{name}: {why}"))],
        IdentitySource::Unreadable(why) => {
            let what = format!("cannot read {name}: {why}");
            let finding = if *is_named { HealthFinding::broken(area, what) } else { HealthFinding::work(area, what) };
            vec![finding.advice("check its owner and permissions (`ls -l`)")]
        }
        IdentitySource::Unusable { why, hint } => {
            let finding = if *is_named { HealthFinding::broken(area, why) } else { HealthFinding::work(area, why) };
            vec![finding.hint(hint.clone())]
        }
        IdentitySource::Found { kind, open, .. } => {
            let mut findings = vec![HealthFinding::ok(area, format!("{name}: {kind}"))];
            if let Some(OpenFile { path, mode }) = open {
                let what = format!("{name}: other users have access to it (mode {mode:04o})");
                let finding = HealthFinding::work(area, what);
                findings.push(match path.to_str() {
                    Some(path) => finding.command(["chmod", "600", "--", path]),
                    None => finding.advice("let its owner alone read it (`chmod 600`)"),
                });
            }
            findings
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_report::Verdict;

    use super::*;

    fn found(open: Option<OpenFile>) -> IdentitySource {
        IdentitySource::Found { kind: "age identity".to_owned(), plugin: None, open }
    }

    fn judged(places: &[(bool, IdentitySource)]) -> Vec<Verdict> {
        let place = |(is_named, source): &(bool, IdentitySource)| IdentityPlace {
            name: "/home/a/key".to_owned(),
            is_named: *is_named,
            source: source.clone(),
        };
        let places: Vec<IdentityPlace> = places.iter().map(place).collect();
        identities(&places).into_iter().map(|one| one.verdict).collect()
    }

    #[test]
    fn usual_places_may_be_empty_as_long_as_one_is_not() {
        assert_eq!(judged(&[(false, IdentitySource::Absent), (false, found(None))]), [Verdict::Ok]);
        assert_eq!(judged(&[(false, IdentitySource::Absent)]), [Verdict::Work]);
        assert_eq!(judged(&[]), [Verdict::Work]);
        assert_eq!(judged(&[(true, IdentitySource::NotRead("standard input".to_owned()))]), [Verdict::Ok]);
    }

    #[test]
    fn what_was_named_has_to_be_an_identity() {
        assert_eq!(judged(&[(true, IdentitySource::Absent), (true, found(None))]), [Verdict::Broken, Verdict::Ok]);
        let unusable = || IdentitySource::Unusable { why: "it is a public key".to_owned(), hint: None };
        assert_eq!(judged(&[(true, unusable())]), [Verdict::Broken, Verdict::Work]);
        assert_eq!(judged(&[(false, unusable()), (false, found(None))]), [Verdict::Work, Verdict::Ok]);
        let unreadable = || IdentitySource::Unreadable("permission denied".to_owned());
        assert_eq!(judged(&[(true, unreadable())]), [Verdict::Broken, Verdict::Work]);
    }

    #[test]
    fn a_file_that_others_can_read_has_the_command_that_ends_it() {
        let open = OpenFile { path: "/k 1".into(), mode: 0o644 };
        let place =
            IdentityPlace { name: "SOPS_AGE_KEY_FILE (/k 1)".to_owned(), is_named: true, source: found(Some(open)) };
        let findings = identities(&[place]);
        assert_eq!(findings[1].verdict, Verdict::Work);
        assert!(findings[1].message.ends_with("(mode 0644)"));
        assert_eq!(
            findings[1].remedies,
            HealthFinding::ok(Area::Ram, "").command(["chmod", "600", "--", "/k 1"]).remedies
        );
    }
}
