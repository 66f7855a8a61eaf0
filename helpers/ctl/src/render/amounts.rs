//! Formats amounts: bytes, times, dates.

/// Bytes, in the largest unit in which there is at least 1: `12.3M`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "K", "M", "G", "T"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes}B"),
        _ => format!("{amount:.1}{}", UNITS[unit]),
    }
}

/// A duration in its two largest units: `2h 3m`, `15s`, `0.4s`, `850us`.
pub fn time(usec: u64) -> String {
    let seconds = usec / 1_000_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if usec < 1000 => format!("{usec}us"),
        (0, 0, 0) if usec < 100_000 => format!("{}ms", usec / 1000),
        (0, 0, 0) if seconds < 10 => format!("{:.1}s", usec as f64 / 1e6),
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// A time in microseconds since the epoch, in the format of RFC 3339 in UTC.
pub fn rfc3339(usec: u64) -> String {
    let seconds = usec / 1_000_000;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let micros = usec % 1_000_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The date of the `day`th day after 1 January 1970. Years are counted from March, so that the leap day is the last day
/// of a year.
fn date(day: u64) -> (u64, u64, u64) {
    const TO_MARCH_OF_0: u64 = 719_468;
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let day = day + TO_MARCH_OF_0;
    let (era, day) = (day / DAYS_OF_400_YEARS, day % DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        let sizes = [(0, "0B"), (1023, "1023B"), (1536, "1.5K"), (12_900_000, "12.3M")];
        for (amount, expected) in sizes {
            assert_eq!(bytes(amount), expected);
        }
        let times = [
            (850, "850us"),
            (12_000, "12ms"),
            (400_000, "0.4s"),
            (15_000_000, "15s"),
            (125_000_000, "2m 5s"),
            (7_380_000_000, "2h 3m"),
            (180_000_000_000, "2d 2h"),
        ];
        for (amount, expected) in times {
            assert_eq!(time(amount), expected);
        }
    }

    #[test]
    fn points_in_time_are_dates() {
        let cases = [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_764_403_199_000_001, "2025-11-29T07:59:59.000001Z"),
            (4_102_444_800_000_000, "2100-01-01T00:00:00.000000Z"),
        ];
        for (usec, expected) in cases {
            assert_eq!(rfc3339(usec), expected);
        }
    }
}
