//! What the head of an ELF file says of where it runs.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Program headers that are looked at; programs have about a dozen.
const HEADERS: u64 = 64;

/// Largest length of a path, in bytes.
const PATH: u64 = 4096;

/// Type of the program header that names the loader (`PT_INTERP`).
const LOADER: u64 = 3;

/// Returns the system of an ELF file, if it is for another processor than this machine's.
pub fn foreign(head: &[u8]) -> Option<&'static str> {
    let bytes: [u8; 2] = head.get(18..20)?.try_into().ok()?;
    // The sixth byte tells the byte order.
    let machine = if head.get(5) == Some(&2) { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
    let (system, here): (_, &[&str]) = match machine {
        3 => ("i686-linux", &["x86", "x86_64"]),
        8 => ("mips-linux", &["mips", "mips64"]),
        20 => ("powerpc-linux", &["powerpc"]),
        21 => ("powerpc64-linux", &["powerpc64"]),
        22 => ("s390x-linux", &["s390x"]),
        40 => ("armv7l-linux", &["arm", "aarch64"]),
        62 => ("x86_64-linux", &["x86_64"]),
        183 => ("aarch64-linux", &["aarch64"]),
        243 => ("riscv64-linux", &["riscv64"]),
        258 => ("loongarch64-linux", &["loongarch64"]),
        _ => ("another processor", &[]),
    };
    (!here.contains(&std::env::consts::ARCH)).then_some(system)
}

/// Returns the program that loads a dynamic one; `None` if it needs none, or this cannot be told.
pub fn loader(file: &File) -> Option<PathBuf> {
    let number = |at: u64, bytes: usize| {
        let mut number = [0; 8];
        file.read_exact_at(&mut number[..bytes], at).ok()?;
        // A program of this machine has this machine's byte order.
        Some(if cfg!(target_endian = "little") {
            u64::from_le_bytes(number)
        } else {
            u64::from_be_bytes(number) >> (64 - 8 * bytes)
        })
    };
    // Where the numbers are, in files for 64 and for 32 bits.
    let wide = number(4, 1)? == 2;
    let of = |wide_at: u64, narrow_at: u64| if wide { number(wide_at, 8) } else { number(narrow_at, 4) };
    let (first, size, count) =
        (of(32, 28)?, number(if wide { 54 } else { 42 }, 2)?, number(if wide { 56 } else { 44 }, 2)?);
    for header in (0..count.min(HEADERS)).map(|index| first.saturating_add(index * size)) {
        if number(header, 4)? == LOADER {
            let of = |wide_at: u64, narrow_at: u64| of(header.checked_add(wide_at)?, header.checked_add(narrow_at)?);
            let (at, length) = (of(8, 4)?, of(32, 16)?);
            let mut path = vec![0; usize::try_from(length.min(PATH)).ok()?];
            file.read_exact_at(&mut path, at).ok()?;
            path.truncate(path.iter().position(|byte| *byte == 0)?);
            return Some(PathBuf::from(OsString::from_vec(path)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_processor_is_told_by_the_elf_head() {
        let elf = |machine: u16| {
            let mut head = b"\x7fELF\x02\x01".to_vec();
            head.resize(18, 0);
            head.extend(machine.to_le_bytes());
            foreign(&head)
        };
        let own = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
        let other = if cfg!(target_arch = "x86_64") { (183, "aarch64-linux") } else { (62, "x86_64-linux") };
        assert_eq!(elf(own), None);
        assert_eq!(elf(other.0), Some(other.1));
        assert_eq!(elf(9999), Some("another processor"));
        // Cut short: not to be told, so left to the kernel.
        assert_eq!(foreign(b"\x7fELF"), None);
    }

    #[test]
    fn the_loader_of_a_program_is_one_that_is_there() {
        let own = File::open(std::env::current_exe().unwrap()).unwrap();
        let loader = loader(&own).unwrap();
        assert!(loader.is_absolute() && loader.exists(), "{}", loader.display());
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut");
        for length in [0, 4, 5, 40, 64, 100, 300] {
            std::fs::write(&path, &own[..length]).unwrap();
            assert_eq!(loader(&File::open(&path).unwrap()), None, "{length}");
        }
        let mut wrong = own[..300].to_vec();
        wrong[32..40].fill(0xff);
        std::fs::write(&path, wrong).unwrap();
        assert_eq!(loader(&File::open(&path).unwrap()), None);
    }
}
