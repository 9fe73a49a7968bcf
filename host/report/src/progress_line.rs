//! How far a run is, as one line says it. Pure: who shows it passes the time and the width.

use std::fmt::Write as _;
use std::time::Duration;

use textwrap::core::display_width;

/// Columns of the phase.
const PHASE: usize = 14;
/// From so long on the seconds are shown.
const LONG: Duration = Duration::from_secs(2);
/// So many names are shown at once.
const NAMED: usize = 3;
/// Frames of the sign that shows that something happens.
const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// The same in ASCII.
const ASCII: [&str; 4] = ["|", "/", "-", "\\"];

/// What a run does now.
#[derive(Debug, Clone, Default)]
pub struct ProgressLine {
    phase: &'static str,
    /// How many are done, and of how many, where that counts.
    count: Option<(usize, usize)>,
    /// What is worked on, with the time at which that began; the oldest first.
    running: Vec<(String, Duration)>,
    /// When the phase began.
    since: Duration,
}

impl ProgressLine {
    /// Begins a phase, unless it has begun.
    pub fn begin(&mut self, phase: &'static str, now: Duration) {
        if self.phase != phase {
            *self = Self { phase, since: now, ..Self::default() };
        }
    }

    /// Says how many are done.
    pub fn count(&mut self, done: usize, total: usize) {
        self.count = Some((done, total));
    }

    /// Something is worked on.
    pub fn start(&mut self, name: String, now: Duration) {
        self.running.push((name, now));
    }

    /// It is not worked on any more. Returns how long it took.
    pub fn finish(&mut self, name: &str, now: Duration) -> Option<Duration> {
        let at = self.running.iter().position(|(one, _)| one == name)?;
        let (_, start) = self.running.remove(at);
        Some(now.saturating_sub(start))
    }

    /// Returns the line, of at most so many columns; none before a phase has begun.
    pub fn render(&self, now: Duration, width: usize, is_utf8: bool) -> Option<String> {
        if self.phase.is_empty() {
            return None;
        }
        let tick = usize::try_from(now.as_millis() / 100).unwrap_or_default();
        let sign = if is_utf8 { FRAMES[tick % FRAMES.len()] } else { ASCII[tick % ASCII.len()] };
        let mut line = format!("{sign} {:PHASE$}", self.phase);
        if let Some((done, total)) = self.count {
            let _ = write!(line, "{done} of {total}   ");
        }
        let room = width.saturating_sub(display_width(&line));
        let mut named = NAMED;
        // As many names as fit; the last one is shortened where it does not.
        while named > 1 && display_width(&self.names(named, now, usize::MAX)) > room {
            named -= 1;
        }
        line.push_str(&self.names(named, now, room));
        Some(cut(line.trim_end(), width, is_utf8))
    }

    fn names(&self, named: usize, now: Duration, room: usize) -> String {
        let seconds = |since: Duration| {
            let took = now.saturating_sub(since);
            if took >= LONG { format!("{} s", took.as_secs()) } else { String::new() }
        };
        match self.running.as_slice() {
            [] => seconds(self.since),
            [(name, since)] => {
                let seconds = seconds(*since);
                let room = room.saturating_sub(display_width(&seconds) + 3);
                format!("{}   {seconds}", shortened(name, room)).trim_end().to_owned()
            }
            many => {
                let more = many.len().saturating_sub(named);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let one = |(name, since): &(String, Duration)| {
                    let seconds = seconds(*since);
                    let room = if named == 1 {
                        room.saturating_sub(display_width(&seconds) + 1 + display_width(&more))
                    } else {
                        usize::MAX
                    };
                    format!("{} {seconds}", shortened(name, room)).trim_end().to_owned()
                };
                many.iter().take(named).map(one).collect::<Vec<_>>().join(", ") + &more
            }
        }
    }
}

/// Shortens a name in its middle to so many columns. Only here: everywhere else a name can be copied.
fn shortened(name: &str, room: usize) -> String {
    if display_width(name) <= room {
        return name.to_owned();
    }
    let half = room.saturating_sub(1);
    let (begin, end) = (half.div_ceil(2), half / 2);
    let taken = |characters: &mut dyn Iterator<Item = char>, most: usize| {
        let mut text = String::new();
        for character in characters {
            text.push(character);
            if display_width(&text) > most {
                text.pop();
                break;
            }
        }
        text
    };
    let first = taken(&mut name.chars(), begin);
    let last: String = taken(&mut name.chars().rev(), end).chars().rev().collect();
    format!("{first}…{last}")
}

/// Keeps a line within the width, so that it never takes two rows of the terminal.
fn cut(line: &str, width: usize, is_utf8: bool) -> String {
    let line = if display_width(line) > width { shortened(line, width) } else { line.to_owned() };
    if is_utf8 { line } else { line.replace('…', "~") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn shown(line: &ProgressLine, now: u64, width: usize) -> String {
        line.render(at(now), width, false).unwrap()
    }

    #[test]
    fn phase_count_names_and_seconds_stand_behind_each_other() {
        let mut line = ProgressLine::default();
        assert_eq!(line.render(at(0), 80, true), None);
        line.begin("evaluating", at(0));
        assert_eq!(shown(&line, 1, 80), "- evaluating");
        assert_eq!(shown(&line, 8, 80), "| evaluating    8 s");
        line.begin("generating", at(10));
        line.count(94, 180);
        line.start("db1/restic-password".to_owned(), at(10));
        assert_eq!(shown(&line, 11, 80), "- generating    94 of 180   db1/restic-password");
        assert_eq!(shown(&line, 22, 80), "| generating    94 of 180   db1/restic-password   12 s");
        assert_eq!(line.render(at(22), 80, true).unwrap().chars().next(), Some('⠋'));
    }

    #[test]
    fn of_several_the_oldest_are_named_and_the_others_counted() {
        let mut line = ProgressLine::default();
        line.begin("generating", at(0));
        for (at_second, name) in [(0, "web7/tls"), (0, "web8/tls"), (2, "web9/tls"), (2, "web10/tls")] {
            line.start(name.to_owned(), at(at_second));
        }
        assert_eq!(shown(&line, 3, 80), "- generating    web7/tls 3 s, web8/tls 3 s, web9/tls and 1 more");
        assert_eq!(shown(&line, 3, 44), "- generating    web7/tls 3 s and 3 more");
        assert_eq!(line.finish("web7/tls", at(3)), Some(at(3)));
        assert_eq!(line.finish("web7/tls", at(3)), None);
        assert_eq!(shown(&line, 3, 80), "- generating    web8/tls 3 s, web9/tls, web10/tls");
    }

    #[test]
    fn a_long_name_is_shortened_in_the_middle_and_the_line_is_never_wider_than_the_terminal() {
        let mut line = ProgressLine::default();
        line.begin("generating", at(0));
        line.count(9, 180);
        line.start("k8s-worker-frankfurt-38/prometheus-node-exporter-federation".to_owned(), at(0));
        let text = line.render(at(60), 60, true).unwrap();
        assert_eq!(text, "⠋ generating    9 of 180   k8s-worker-fr…r-federation   60 s");
        line.start("per-machine/ünïcödé-漢字漢字漢字/漢字漢字漢字".to_owned(), at(0));
        for width in [1, 2, 20, 40, 41, 60, 80, 120] {
            for is_utf8 in [true, false] {
                let text = line.render(at(60), width, is_utf8).unwrap();
                assert!(display_width(&text) <= width && !text.contains('\n'), "{width}: {text}");
                assert!(is_utf8 || !text.contains('…'), "{text}");
            }
        }
    }

    #[test]
    fn a_phase_begins_once() {
        let mut line = ProgressLine::default();
        line.begin("generating", at(0));
        line.count(1, 2);
        line.begin("generating", at(5));
        assert_eq!(shown(&line, 1, 80), "- generating    1 of 2   ".trim_end().to_owned());
        line.begin("evaluating", at(5));
        assert_eq!(shown(&line, 5, 80), "- evaluating");
    }
}
