//! Dates and durations: their units, what converts one to another, and dates as text.
//!
//! A date (`datetime64`) is a number of units since the beginning of 1970, a duration (`timedelta64`) a
//! number of units; NaT, which is neither, is the smallest integer. Years and months are as long as the
//! calendar has them: dates convert between them and days, durations do not.

use std::fmt;

/// What is no date and no duration.
pub const NAT: i64 = i64::MIN;

/// From coarse to fine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Milli,
    Micro,
    Nano,
    Pico,
    Femto,
    Atto,
    /// Takes the unit of whatever it meets.
    Generic,
}

/// A step of a conversion of numbers of units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Times(i64),
    /// Divided, rounded down.
    Per(i64),
    /// Months since 1970 to days, and days to months.
    MonthsToDays,
    DaysToMonths,
}

const UNITS: [(Unit, &str); 14] = [
    (Unit::Year, "Y"),
    (Unit::Month, "M"),
    (Unit::Week, "W"),
    (Unit::Day, "D"),
    (Unit::Hour, "h"),
    (Unit::Minute, "m"),
    (Unit::Second, "s"),
    (Unit::Milli, "ms"),
    (Unit::Micro, "us"),
    (Unit::Nano, "ns"),
    (Unit::Pico, "ps"),
    (Unit::Femto, "fs"),
    (Unit::Atto, "as"),
    (Unit::Generic, ""),
];

impl Unit {
    pub fn by_name(name: &str) -> Option<Unit> {
        let name = match name {
            "generic" => "",
            "μs" => "us",
            name => name,
        };
        UNITS
            .iter()
            .find(|(_, n)| *n == name)
            .map(|&(unit, _)| unit)
    }

    /// The name, empty for the generic unit.
    pub fn name(self) -> &'static str {
        UNITS[self.code() as usize].1
    }

    /// A number from 0, by size.
    pub fn code(self) -> u8 {
        self as u8
    }

    pub fn of_code(code: u8) -> Option<Unit> {
        UNITS.get(usize::from(code)).map(|&(unit, _)| unit)
    }

    /// Years and months.
    fn is_calendar(self) -> bool {
        matches!(self, Unit::Year | Unit::Month)
    }

    /// How many of the next finer unit it is made of; of calendar units, how many months.
    fn parts(self) -> i64 {
        match self {
            Unit::Year => 12,
            Unit::Week => 7,
            Unit::Day => 24,
            Unit::Hour | Unit::Minute => 60,
            Unit::Month | Unit::Atto | Unit::Generic => 1,
            _ => 1000,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The unit that two operands meet in, each a date or (`true`) a duration: the finer one. Years and months
/// of a duration meet only years and months.
pub fn common(a: (bool, Unit), b: (bool, Unit)) -> Option<Unit> {
    let ((a_delta, a), (b_delta, b)) = (a, b);
    if a == Unit::Generic {
        return Some(b);
    }
    if b == Unit::Generic || a == b {
        return Some(a);
    }
    let fixed =
        |delta: bool, unit: Unit, other: Unit| delta && unit.is_calendar() && !other.is_calendar();
    (!fixed(a_delta, a, b) && !fixed(b_delta, b, a)).then(|| a.max(b))
}

/// How numbers of one unit become numbers of another; `None` if durations do not convert.
pub fn conversion(delta: bool, from: Unit, to: Unit) -> Option<Vec<Step>> {
    let generic = from == Unit::Generic || to == Unit::Generic;
    if generic || from == to {
        // A unit is not lost again.
        return (from == to || from == Unit::Generic).then(Vec::new);
    }
    if from.is_calendar() == to.is_calendar() {
        let (coarse, fine) = if from < to { (from, to) } else { (to, from) };
        let ratio = (coarse.code()..fine.code())
            .filter_map(Unit::of_code)
            .fold(1i64, |n, u| n.wrapping_mul(u.parts()));
        return Some(vec![if from < to {
            Step::Times(ratio)
        } else {
            Step::Per(ratio)
        }]);
    }
    if delta {
        return None;
    }
    let part = |a, b| conversion(false, a, b).unwrap_or_default();
    Some(if from.is_calendar() {
        [
            part(from, Unit::Month),
            vec![Step::MonthsToDays],
            part(Unit::Day, to),
        ]
        .concat()
    } else {
        [
            part(from, Unit::Day),
            vec![Step::DaysToMonths],
            part(Unit::Month, to),
        ]
        .concat()
    })
}

/// A number of units as one of another unit.
pub fn convert(delta: bool, value: i64, from: Unit, to: Unit) -> Option<i64> {
    let steps = conversion(delta, from, to)?;
    if value == NAT {
        return Some(NAT);
    }
    Some(steps.into_iter().fold(value, |v, step| match step {
        Step::Times(n) => v.wrapping_mul(n),
        Step::Per(n) => v.div_euclid(n),
        Step::MonthsToDays => days_of_month(v),
        Step::DaysToMonths => month_of_day(v),
    }))
}

/// The first day of a month, both counted from the beginning of 1970.
pub fn days_of_month(month: i64) -> i64 {
    // Years begin in March, so that the leap day comes last.
    let (year, month) = (
        (month - 2).div_euclid(12) + 1970,
        (month - 2).rem_euclid(12),
    );
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        - 719_468
}

/// The month that a day is in.
pub fn month_of_day(day: i64) -> i64 {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    (era * 400 + year - 1970) * 12 + (5 * of_year + 2) / 153 + 2
}

/// A date as ISO 8601 writes it, and the unit that it is precise to.
pub fn parse(text: &str) -> Option<(i64, Unit)> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("nat") {
        return Some((NAT, Unit::Generic));
    }
    let mut rest = text;
    let year = {
        let (sign, digits) = match rest.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, rest.strip_prefix('+').unwrap_or(rest)),
        };
        let len = digits.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, after) = digits.split_at(len);
        rest = after;
        (len >= 4).then(|| digits.parse::<i64>().ok())?? * sign
    };
    let mut months = (year - 1970).checked_mul(12)?;
    if rest.is_empty() {
        return Some((year - 1970, Unit::Year));
    }
    months += number(&mut rest, "-", 12)?.checked_sub(1)?;
    if rest.is_empty() {
        return Some((months, Unit::Month));
    }
    let day = number(&mut rest, "-", 31)?.checked_sub(1)?;
    let (first, next) = (days_of_month(months), days_of_month(months + 1));
    let mut value = first + day;
    if day < 0 || value >= next {
        return None;
    }
    if rest.is_empty() {
        return Some((value, Unit::Day));
    }
    let mut separator = if rest.starts_with('T') { "T" } else { " " };
    for (unit, limit) in [(Unit::Hour, 23), (Unit::Minute, 59), (Unit::Second, 59)] {
        value = value
            .checked_mul(limit + 1)?
            .checked_add(number(&mut rest, separator, limit)?)?;
        separator = ":";
        if rest.is_empty() {
            return Some((value, unit));
        }
    }
    let digits = rest.strip_prefix('.')?;
    if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|d| d.is_ascii_digit()) {
        return None;
    }
    let thousandths = digits.len().div_ceil(3);
    let fraction: i64 = format!("{digits:0<width$}", width = thousandths * 3)
        .parse()
        .ok()?;
    value = value
        .checked_mul(1000i64.checked_pow(thousandths as u32)?)?
        .checked_add(fraction)?;
    Some((
        value,
        Unit::of_code(Unit::Second.code() + thousandths as u8)?,
    ))
}

/// The separator, and two digits that make a number up to `most`.
fn number(rest: &mut &str, separator: &str, most: i64) -> Option<i64> {
    let digits = rest.strip_prefix(separator)?;
    let (two, after) = digits.split_at_checked(2)?;
    *rest = after;
    let number = two
        .bytes()
        .all(|d| d.is_ascii_digit())
        .then(|| two.parse().ok())??;
    (0..=most).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_days_convert_both_ways() {
        for month in -12_000..12_000 {
            let first = days_of_month(month);
            assert_eq!(month_of_day(first), month);
            assert_eq!(month_of_day(first - 1), month - 1);
        }
        assert_eq!(days_of_month(0), 0);
        assert_eq!(days_of_month(50 * 12 + 2), 18_322);
    }

    #[test]
    fn dates_are_read_as_numpy_reads_them() {
        assert_eq!(parse("2020"), Some((50, Unit::Year)));
        assert_eq!(parse("2010-05"), Some((484, Unit::Month)));
        assert_eq!(parse("2020-02-29"), Some((18_321, Unit::Day)));
        assert_eq!(parse("2021-02-29"), None);
        assert_eq!(parse("2019-12-31T10:00"), Some((26_296_440, Unit::Minute)));
        assert_eq!(parse("1970-01-01 00:00:01.5"), Some((1500, Unit::Milli)));
        assert_eq!(
            parse("1970-01-01T00:00:00.123456789"),
            Some((123_456_789, Unit::Nano))
        );
        assert_eq!(parse("NaT"), Some((NAT, Unit::Generic)));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(convert(false, -1, Unit::Hour, Unit::Day), Some(-1));
        assert_eq!(convert(false, 50, Unit::Year, Unit::Day), Some(18_262));
        assert_eq!(convert(true, 1, Unit::Year, Unit::Day), None);
    }

    #[test]
    fn units_meet_in_the_finer_one() {
        let (date, span) = (false, true);
        assert_eq!(
            common((date, Unit::Year), (span, Unit::Day)),
            Some(Unit::Day)
        );
        assert_eq!(common((date, Unit::Day), (span, Unit::Month)), None);
        assert_eq!(
            common((span, Unit::Year), (span, Unit::Month)),
            Some(Unit::Month)
        );
        assert_eq!(
            common((span, Unit::Generic), (span, Unit::Nano)),
            Some(Unit::Nano)
        );
    }
}
