/// Returns a mode as four octal digits: an octal number, or words that `chmod` takes and that name all of it.
pub fn octal(mode: &str) -> Option<String> {
    let is_number = (3..=4).contains(&mode.len()) && mode.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    if is_number {
        return Some(format!("{mode:0>4}"));
    }
    let bits = mode.split(',').try_fold(0, |bits, clause| Some(bits | clause_bits(clause)?))?;
    Some(format!("{bits:04o}"))
}

/// Returns the bits that one clause sets, as `ug=r` or `+r`. What takes bits away depends on what was there, and is not known.
fn clause_bits(clause: &str) -> Option<u32> {
    let (who, permissions) = clause.split_once(['=', '+'])?;
    let mut all = 0;
    for who in if who.is_empty() { "a" } else { who }.chars() {
        all |= match who {
            'u' => 0o700,
            'g' => 0o070,
            'o' => 0o007,
            'a' => 0o777,
            _ => return None,
        };
    }
    let mut bits = 0;
    for permission in permissions.chars() {
        bits |= match permission {
            'r' => 0o444,
            'w' => 0o222,
            'x' => 0o111,
            _ => return None,
        };
    }
    Some(all & bits)
}

#[cfg(test)]
mod tests {
    use super::octal;

    #[test]
    fn what_chmod_takes_is_an_octal_number() {
        for (words, number) in [
            ("0400", "0400"),
            ("400", "0400"),
            ("u=r", "0400"),
            ("u=rw", "0600"),
            ("u=r,g=r", "0440"),
            ("ug=r", "0440"),
            ("u=rw,g=r", "0640"),
            ("a=r", "0444"),
            ("+r", "0444"),
            ("u=rwx,go=", "0700"),
        ] {
            assert_eq!(octal(words).as_deref(), Some(number), "{words}");
        }
        for unknown in ["", "0900", "4", "12345", "u-r", "u=q", "z=r", "u=s", "r"] {
            assert_eq!(octal(unknown), None, "{unknown}");
        }
    }
}
