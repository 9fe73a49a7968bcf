//! Where the kernel could write memory to.

use artifacts_report::{Area, Failure, HealthFinding};

/// Describes one area of swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapArea {
    /// Path of the device or file.
    pub path: String,
    /// What is known of it.
    pub kind: SwapKind,
}

/// Says whether what is swapped can be read from a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwapKind {
    /// It is compressed memory.
    InRam,
    /// Every device below it is encrypted by the kernel.
    Encrypted,
    /// A device below it is not.
    Plain,
    /// It cannot be determined, for this reason.
    Unknown(String),
}

/// Judges swap: plaintext in memory could be written to it.
pub fn swap(found: &Result<Vec<SwapArea>, Failure>) -> Vec<HealthFinding> {
    let areas = match found {
        Ok(areas) => areas,
        Err(failure) => return vec![super::unknown(Area::Swap, "cannot determine whether swap is on: ", failure)],
    };
    if areas.is_empty() {
        return vec![HealthFinding::ok(Area::Swap, "swap is off")];
    }
    areas.iter().map(judge).collect()
}

fn judge(SwapArea { path, kind }: &SwapArea) -> HealthFinding {
    let weaker = "plaintext in memory could be written to a disk";
    let what = match kind {
        SwapKind::InRam => return HealthFinding::ok(Area::Swap, format!("swap on {path} stays in memory")),
        SwapKind::Encrypted => return HealthFinding::ok(Area::Swap, format!("swap on {path} is encrypted")),
        SwapKind::Plain => format!("swap on {path} is not encrypted: {weaker}"),
        SwapKind::Unknown(why) => format!("cannot determine whether swap on {path} is encrypted ({why}): {weaker}"),
    };
    HealthFinding::work(Area::Swap, what).command(["swapoff", path.as_str()]).advice(
        "to keep swap, encrypt it: `randomEncryption.enable = true;` in `swapDevices` of NixOS, or `zramSwap.enable = true;`",
    )
}

#[cfg(test)]
mod tests {
    use artifacts_report::Verdict;

    use super::*;

    #[test]
    fn only_what_can_be_read_from_a_disk_is_work() {
        let verdict = |kind| judge(&SwapArea { path: "/dev/x".to_owned(), kind }).verdict;
        assert_eq!(verdict(SwapKind::InRam), Verdict::Ok);
        assert_eq!(verdict(SwapKind::Encrypted), Verdict::Ok);
        assert_eq!(verdict(SwapKind::Plain), Verdict::Work);
        assert_eq!(verdict(SwapKind::Unknown("a zvol".to_owned())), Verdict::Work);
        assert_eq!(swap(&Ok(Vec::new())).first().map(|one| one.verdict), Some(Verdict::Ok));
        assert_eq!(swap(&Err(Failure::new("", "x"))).first().map(|one| one.verdict), Some(Verdict::Work));
    }
}
