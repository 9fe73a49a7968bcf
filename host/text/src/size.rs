/// Returns a number of bytes as a person reads it: `788 B`, `4.1 KiB`, `64 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the largest unit of which there is one.
    let power = (bytes.ilog2() / 10).min(4);
    let unit = UNITS[power as usize - 1];
    let one = 1_u128 << (10 * power);
    match (u128::from(bytes) * 10 + one / 2) / one {
        tenths if tenths.is_multiple_of(10) => format!("{} {unit}", tenths / 10),
        tenths => format!("{}.{} {unit}", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn bytes_have_the_largest_unit_of_which_there_is_one() {
        for (bytes, text) in [
            (0, "0 B"),
            (788, "788 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (4198, "4.1 KiB"),
            (64 << 20, "64 MiB"),
            (256 << 20, "256 MiB"),
            ((3 << 30) / 2, "1.5 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
