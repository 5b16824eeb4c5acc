//! Text in columns, for terminals of a hundred: numbers, shares, bars, colours.

use std::fmt::Write;

use crate::tree::Weight;

/// What a line may be long, in characters.
pub const WIDTH: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Bold,
    Dim,
    Red,
    Yellow,
    Green,
    Blue,
}

pub struct Page {
    out: String,
    color: bool,
}

impl Page {
    pub fn new(color: bool) -> Page {
        Page {
            out: String::new(),
            color,
        }
    }

    pub fn text(self) -> String {
        self.out
    }

    /// A heading, with the names of columns after it.
    pub fn heading(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let text = self.paint(Color::Bold, text);
        let _ = writeln!(self.out, "{text}");
    }

    /// A line, cut if it is too long. It has no colours.
    pub fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}", cut(text.trim_end(), WIDTH));
    }

    /// A line of which the end is in a colour.
    pub fn two(&mut self, plain: &str, color: Color, text: &str) {
        let room = WIDTH.saturating_sub(plain.chars().count());
        let plain = if text.is_empty() {
            plain.trim_end()
        } else {
            plain
        };
        let text = self.paint(color, &cut(text, room));
        let _ = writeln!(self.out, "{plain}{text}");
    }

    /// A text that may take several lines, which begin with `start` and then as much space.
    pub fn paragraph(&mut self, start: &str, text: &str) {
        let indent = start.chars().count();
        let mut line = start.to_owned();
        let mut is_empty = true;
        for word in text.split(' ') {
            let length = line.chars().count() + word.chars().count() + usize::from(!is_empty);
            if length > WIDTH && !is_empty {
                self.line(&line);
                line = " ".repeat(indent);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        self.line(&line);
    }

    fn paint(&self, color: Color, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match color {
            Color::Bold => 1,
            Color::Dim => 2,
            Color::Red => 31,
            Color::Green => 32,
            Color::Yellow => 33,
            Color::Blue => 34,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A text in so many characters; what is too long loses its end.
pub fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(room.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

/// An amount of time, in microseconds, with three digits.
pub fn time(micros: u64) -> String {
    let seconds = micros as f64 / 1e6;
    match () {
        () if micros == 0 => "0".to_owned(),
        () if micros < 10_000 => format!("{:.1} ms", seconds * 1e3),
        () if micros < 999_500 => format!("{:.0} ms", seconds * 1e3),
        () if seconds < 9.995 => format!("{seconds:.2} s"),
        () if seconds < 99.95 => format!("{seconds:.1} s"),
        () => format!("{} s", count(seconds.round() as u64)),
    }
}

/// The part of something.
pub fn share(part: u64, all: u64) -> String {
    let percent = part as f64 / all.max(1) as f64 * 100.0;
    if percent < 9.95 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// What a share may be off, in points, as 95 % of such measurements are less: shown where it is more than
/// a tenth of the share itself.
pub fn error(part: Weight, all: Weight) -> String {
    let (part_of, n) = (part.samples as f64, all.samples.max(1) as f64);
    if part.samples == 0 {
        return String::new();
    }
    let share = part.cpu as f64 / all.cpu.max(1) as f64;
    let relative = 1.96 * ((1.0 - part_of / n).max(0.0) / part_of).sqrt();
    let points = relative * share * 100.0;
    match () {
        () if relative <= 0.1 || points < 0.05 => String::new(),
        () if points < 9.95 => format!("±{points:.1}"),
        () => format!("±{points:.0}"),
    }
}

/// A number with commas.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A bar of at most `room` characters.
pub fn bar(part: f64, room: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (part.clamp(0.0, 1.0) * room as f64 * 8.0).round() as usize;
    let mut out = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        out.push(EIGHTHS[eighths % 8]);
    }
    if out.is_empty() && part > 0.0 {
        out.push(EIGHTHS[1]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let times = [
            0,
            700,
            12_345,
            999_600,
            1_234_567,
            12_345_678,
            4_123_000_000,
        ];
        let shown: Vec<String> = times.map(time).to_vec();
        assert_eq!(
            shown,
            [
                "0", "0.7 ms", "12 ms", "1.00 s", "1.23 s", "12.3 s", "4,123 s"
            ]
        );
        assert_eq!(
            [share(1, 3), share(1, 30), share(0, 0)],
            ["33 %", "3.3 %", "0.0 %"]
        );
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(bar(0.51, 4), "██");
    }

    #[test]
    fn an_error_is_shown_where_there_are_few_samples() {
        let weight = |samples, cpu| Weight {
            samples,
            cpu,
            wait: 0,
        };
        let all = weight(10_000, 20_000_000);
        assert_eq!(error(weight(5000, 10_000_000), all), "");
        assert_eq!(error(weight(100, 200_000), all), "±0.2");
        assert_eq!(error(weight(1, 5000), weight(10, 10_000)), "±93");
    }
}
