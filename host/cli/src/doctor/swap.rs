//! The areas of swap, as the kernel's own files have them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use artifacts_doctor::{SwapArea, SwapKind};
use artifacts_report::Failure;

/// Levels of devices below each other that are looked at.
const LEVELS: usize = 8;

/// Returns the areas of swap that are on. `proc` and `sys` are the kernel's file systems.
pub fn areas(proc: &Path, sys: &Path) -> Result<Vec<SwapArea>, Failure> {
    let list = proc.join("swaps");
    let table = fs::read_to_string(&list)
        .map_err(|error| Failure::new("", format!("cannot read {}: {error}", list.display())))?;
    let area = |line: &str| {
        let mut words = line.split_whitespace();
        let (path, kind) = (unescaped(words.next()?), words.next()?);
        let device = if kind == "file" { device_of_file(&path, proc, sys) } else { device_name(&path) };
        let kind = match device {
            Some(device) => kind_of(sys, &device, LEVELS),
            None => SwapKind::Unknown("its device is unknown".to_owned()),
        };
        Some(SwapArea { path, kind })
    };
    Ok(table.lines().skip(1).filter_map(area).collect())
}

/// The kernel writes blanks in paths as octal numbers.
fn unescaped(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(path.to_owned(), |path, (escaped, plain)| path.replace(escaped, plain))
}

/// The kernel's name of a device, `dm-0` for `/dev/mapper/swap`.
fn device_name(path: &str) -> Option<String> {
    let real = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    Some(real.file_name()?.to_str()?.to_owned())
}

/// The device of the file system that a file is on.
fn device_of_file(path: &str, proc: &Path, sys: &Path) -> Option<String> {
    let number = fs::metadata(path).ok()?.dev();
    let number = format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number));
    if let Ok(device) = sys.join("dev/block").join(&number).canonicalize() {
        return Some(device.file_name()?.to_str()?.to_owned());
    }
    // Some file systems have numbers of their own; what they are mounted from says the device.
    let mounts = fs::read_to_string(proc.join("self/mountinfo")).ok()?;
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some(number.as_str()))?;
    let source = mount.split_once(" - ")?.1.split(' ').nth(1)?;
    source.starts_with('/').then(|| device_name(source)).flatten()
}

/// Whether what is written to a device can be read from a disk.
fn kind_of(sys: &Path, name: &str, levels: usize) -> SwapKind {
    let device = sys.join("class/block").join(name);
    let text = |file: &str| fs::read_to_string(device.join(file)).unwrap_or_default().trim().to_owned();
    if levels == 0 || !device.exists() {
        return SwapKind::Unknown(format!("device `{name}` is unknown"));
    }
    if name.starts_with("zram") {
        return match text("backing_dev").as_str() {
            "" | "none" => SwapKind::InRam,
            backing => SwapKind::Unknown(format!("it writes back to {backing}")),
        };
    }
    if text("dm/uuid").starts_with("CRYPT-") {
        return SwapKind::Encrypted;
    }
    if name.starts_with("loop") || name.starts_with("zd") || name.starts_with("nbd") {
        return SwapKind::Unknown(format!("device `{name}` is a file or a volume elsewhere"));
    }
    let below: Vec<String> = fs::read_dir(device.join("slaves"))
        .into_iter()
        .flatten()
        .filter_map(|one| one.ok()?.file_name().into_string().ok())
        .collect();
    let kinds: Vec<SwapKind> = below.iter().map(|name| kind_of(sys, name, levels - 1)).collect();
    match kinds.iter().find(|kind| **kind != SwapKind::Encrypted) {
        Some(other) => other.clone(),
        None if kinds.is_empty() => SwapKind::Plain,
        None => SwapKind::Encrypted,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The kernel's file systems with these areas of swap, and files below `/sys/class/block`.
    fn kinds(areas_on: &[&str], files: &[(&str, &str)]) -> Vec<SwapKind> {
        let dir = tempfile::tempdir().unwrap();
        let (proc, block) = (dir.path().join("proc"), dir.path().join("sys/class/block"));
        fs::create_dir_all(&proc).unwrap();
        let lines: Vec<String> = areas_on.iter().map(|area| format!("{area} partition 1 0 -2")).collect();
        fs::write(proc.join("swaps"), format!("Filename Type Size Used Priority\n{}\n", lines.join("\n"))).unwrap();
        for (path, text) in files {
            let path = block.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let found = areas(&proc, &dir.path().join("sys")).unwrap();
        found.into_iter().map(|area| area.kind).collect()
    }

    #[test]
    fn what_is_below_decides() {
        assert!(kinds(&[], &[]).is_empty());
        let plain = ("sdx2/size", "1");
        assert_eq!(kinds(&["/dev/sdx2"], &[plain]), [SwapKind::Plain]);
        assert_eq!(kinds(&["/dev/zram7"], &[("zram7/backing_dev", "none\n")]), [SwapKind::InRam]);
        let crypt = ("dm-91/dm/uuid", "CRYPT-LUKS2-abc-swap\n");
        assert_eq!(kinds(&["/dev/dm-91"], &[crypt]), [SwapKind::Encrypted]);
        // A logical volume on an encrypted device, and one that spans a plain one.
        let volume = ("dm-92/dm/uuid", "LVM-abc\n");
        let on = ("dm-92/slaves/dm-91", "");
        assert_eq!(kinds(&["/dev/dm-92"], &[crypt, volume, on]), [SwapKind::Encrypted]);
        let spans = ("dm-92/slaves/sdx2", "");
        assert_eq!(kinds(&["/dev/dm-92"], &[crypt, volume, on, spans, plain]), [SwapKind::Plain]);
    }

    #[test]
    fn what_is_unknown_is_neither() {
        let found = kinds(
            &["/dev/gone9", "/dev/loop97", "/dev/zram8"],
            &[("loop97/size", "1"), ("zram8/backing_dev", "/dev/sdx3")],
        );
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|kind| matches!(kind, SwapKind::Unknown(_))), "{found:?}");
        assert!(areas(Path::new("/nowhere"), Path::new("/nowhere")).is_err());
    }
}
