use std::fmt::Write;

/// One figure.
pub struct Row {
    /// What was measured.
    pub what: &'static str,
    /// It, with its unit.
    pub here: String,
    /// What it is compared with.
    pub against: String,
    /// It divided by that.
    pub ratio: f64,
    /// The most that the ratio may be, if there is a limit.
    pub at_most: Option<f64>,
}

/// As Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut text = "| what | measured | against | ratio | at most | |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows {
        let (limit, verdict) = match row.at_most {
            None => (String::new(), ""),
            Some(limit) => (number(limit), if row.ratio <= limit { "met" } else { "MISSED" }),
        };
        let ratio = number(row.ratio);
        let _ = writeln!(text, "| {} | {} | {} | {ratio} | {limit} | {verdict} |", row.what, row.here, row.against);
    }
    text
}

fn number(value: f64) -> String {
    format!("{value:.2}")
}

#[cfg(test)]
mod tests {
    use super::{Row, table};

    #[test]
    fn a_missed_row_says_so() {
        let row = |ratio, at_most| Row { what: "w", here: "h".into(), against: "a".into(), ratio, at_most };
        let text = table(&[row(2.5, Some(2.5)), row(2.51, Some(2.5)), row(9.0, None)]);
        let verdicts: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            verdicts,
            ["| w | h | a | 2.50 | 2.50 | met |", "| w | h | a | 2.51 | 2.50 | MISSED |", "| w | h | a | 9.00 |  |  |"]
        );
    }
}
