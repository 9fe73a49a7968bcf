//! The directory for plaintext.

use std::path::Path;

use artifacts_report::{Area, Failure, HealthFinding};

/// Judges whether there is a RAM-backed directory for plaintext.
pub fn ram(found: Result<&Path, &Failure>) -> Vec<HealthFinding> {
    vec![match found {
        Ok(path) => {
            HealthFinding::ok(Area::Ram, format!("plaintext is kept in {}, which is RAM-backed", path.display()))
        }
        Err(failure) => super::failed(Area::Ram, "", failure),
    }]
}

#[cfg(test)]
mod tests {
    use artifacts_report::Verdict;

    use super::*;

    #[test]
    fn without_such_a_directory_nothing_works() {
        assert_eq!(ram(Ok(Path::new("/run/user/1"))).first().map(|one| one.verdict), Some(Verdict::Ok));
        let failure = Failure::new("", "none");
        assert_eq!(ram(Err(&failure)).first().map(|one| one.verdict), Some(Verdict::Broken));
    }
}
