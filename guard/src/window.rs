//! When a host may be rebooted: a stretch of the day, in UTC. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// What `homelab.reboot.window` says. It opens at `from` on each of its days, and closes at `until`, which is on the
/// next day if it is not later than `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    pub from: TimeOfDay,
    pub until: TimeOfDay,
    /// Empty: every day.
    #[serde(default)]
    pub days: Vec<Day>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// `HH:MM`, as minutes since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u16);

/// How a window stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    Open,
    /// When it opens the next time, in seconds since 1970 began.
    At(u64),
}

impl Window {
    /// How it stands at this moment, in seconds since 1970 began.
    pub fn at(&self, now: u64) -> Opening {
        let today = now / DAY;
        // The one that opened yesterday may be open still; a week from today at the latest it opens again.
        let mut opens = (today.saturating_sub(1)..=today + 7)
            .filter(|day| self.days.is_empty() || self.days.contains(&Day::of(*day)))
            .map(|day| day * DAY + self.from.seconds());
        match opens.find(|opens| now < opens + self.length()) {
            Some(opens) if opens <= now => Opening::Open,
            Some(opens) => Opening::At(opens),
            // Of the days that are looked at, at least one is among its own.
            None => Opening::At((today + 7) * DAY + self.from.seconds()),
        }
    }

    /// Seconds, at most a day.
    fn length(&self) -> u64 {
        match (self.until.seconds() + DAY - self.from.seconds()) % DAY {
            0 => DAY,
            length => length,
        }
    }
}

/// `Sat, Sun 02:00 to 04:30 UTC`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = self.days.iter().map(|day| day.as_str()).collect();
        if !days.is_empty() {
            write!(f, "{} ", days.join(", "))?;
        }
        write!(f, "{} to {} UTC", self.from, self.until)
    }
}

impl Day {
    const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// Of a day, counted since 1970 began: a Thursday.
    fn of(day: u64) -> Self {
        let since_monday = (day + 3) % 7;
        Self::ALL[usize::try_from(since_monday).unwrap_or_default()]
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "Mon",
            Self::Tue => "Tue",
            Self::Wed => "Wed",
            Self::Thu => "Thu",
            Self::Fri => "Fri",
            Self::Sat => "Sat",
            Self::Sun => "Sun",
        }
    }
}

impl TimeOfDay {
    fn seconds(self) -> u64 {
        u64::from(self.0) * MINUTE
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let two = |digits: &str| match digits.as_bytes() {
            [b'0'..=b'9', b'0'..=b'9'] => digits.parse::<u16>().ok(),
            _ => None,
        };
        let parts = text.split_once(':');
        match parts.and_then(|(hour, minute)| Some((two(hour)?, two(minute)?))) {
            Some((hour @ 0..=23, minute @ 0..=59)) => Ok(Self(hour * 60 + minute)),
            _ => Err(format!("`{text}` is no time of a day, such as 02:30")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: &str, until: &str, days: &[Day]) -> Window {
        let time = |text: &str| TimeOfDay::try_from(text.to_owned()).unwrap();
        Window {
            from: time(from),
            until: time(until),
            days: days.to_vec(),
        }
    }

    /// 2026-11-21, a Saturday.
    const SATURDAY: u64 = 1_795_219_200;

    fn moment(day: u64, hour: u64, minute: u64) -> u64 {
        SATURDAY + day * DAY + (hour * 60 + minute) * MINUTE
    }

    #[test]
    fn days_have_their_names() {
        assert_eq!(Day::of(0), Day::Thu);
        assert_eq!(Day::of(SATURDAY / DAY), Day::Sat);
        assert_eq!(Day::of(SATURDAY / DAY + 1), Day::Sun);
    }

    #[test]
    fn it_opens_every_day_and_closes_before_its_end() {
        let night = window("02:00", "04:30", &[]);
        assert_eq!(night.at(moment(0, 1, 59)), Opening::At(moment(0, 2, 0)));
        assert_eq!(night.at(moment(0, 2, 0)), Opening::Open);
        assert_eq!(night.at(moment(0, 4, 30) - 1), Opening::Open);
        assert_eq!(night.at(moment(0, 4, 30)), Opening::At(moment(1, 2, 0)));
        assert_eq!(night.to_string(), "02:00 to 04:30 UTC");
    }

    #[test]
    fn past_midnight_it_is_the_day_on_which_it_opened_that_counts() {
        let weekend = window("23:00", "01:30", &[Day::Sat, Day::Sun]);
        assert_eq!(weekend.at(moment(0, 0, 30)), Opening::At(moment(0, 23, 0)));
        assert_eq!(weekend.at(moment(0, 23, 0)), Opening::Open);
        assert_eq!(weekend.at(moment(1, 1, 29)), Opening::Open);
        assert_eq!(weekend.at(moment(1, 1, 30)), Opening::At(moment(1, 23, 0)));
        assert_eq!(weekend.at(moment(2, 1, 0)), Opening::Open, "Sunday's");
        assert_eq!(weekend.at(moment(2, 1, 30)), Opening::At(moment(7, 23, 0)));
        assert_eq!(weekend.to_string(), "Sat, Sun 23:00 to 01:30 UTC");
    }

    #[test]
    fn one_that_ends_as_it_begins_is_a_whole_day() {
        let saturdays = window("12:00", "12:00", &[Day::Sat]);
        assert_eq!(saturdays.at(moment(1, 11, 59)), Opening::Open);
        assert_eq!(
            saturdays.at(moment(1, 12, 0)),
            Opening::At(moment(7, 12, 0))
        );
    }

    #[test]
    fn only_times_of_a_day_are_read() {
        for bad in ["", "2:00", "24:00", "12:60", "+1:00", "12:0a", "12.30"] {
            assert!(TimeOfDay::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
