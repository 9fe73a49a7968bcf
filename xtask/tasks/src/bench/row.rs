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

/// How the table begins.
const HEAD: &str = "| what | measured | against | ratio | at most | |\n";

/// As Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!("{HEAD}|---|---|---|---|---|---|\n");
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

/// Puts a table in the place of the one that a page has; none if it has none.
pub fn replaced(page: &str, table: &str) -> Option<String> {
    let begin = page.find(HEAD)?;
    let (before, rest) = page.split_at(begin);
    let size = rest.lines().take_while(|line| line.starts_with('|')).map(|line| line.len() + 1).sum::<usize>();
    Some(format!("{before}{table}{}", rest.get(size..).unwrap_or_default()))
}

fn number(value: f64) -> String {
    format!("{value:.2}")
}

#[cfg(test)]
mod tests {
    use super::{Row, replaced, table};

    #[test]
    fn the_table_of_a_page_is_replaced_and_nothing_else() {
        let table = table(&[]);
        let page = format!("# Speed\n\n{table}| old | row |\n\nBelow.\n");
        assert_eq!(replaced(&page, &table), Some(format!("# Speed\n\n{table}\nBelow.\n")));
        assert_eq!(replaced("no table", &table), None);
    }

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
