//! How it is known that an app which serves is still well: it is asked (`health`), or says so itself (`watchdog`).

use crate::diagnostic::Origin;
use std::time::Duration;

/// `health` and what belongs to it.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    /// What is asked for, an address and a path, and the line; nothing is asked without it.
    pub url: Option<((String, String), Origin)>,
    /// `health-interval`: from an answer to the next question.
    pub interval: Duration,
    /// `health-deadline`: how long an answer may take.
    pub deadline: Duration,
    /// `health-failures`: so many failures in a row are the verdict.
    pub failures: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            url: None,
            interval: Duration::from_secs(10),
            // What a server may take to answer when it is started (`ready`).
            deadline: Duration::from_secs(5),
            // One slow answer is no illness, and a restart costs more than it.
            failures: 3,
        }
    }
}

/// `watchdog`.
#[derive(Debug, Clone)]
pub enum Watchdog {
    /// The app is not told that it could send anything, and nothing of that kind is heard.
    Off,
    /// It is to send `WATCHDOG=1` at least this often, from when it serves; and the line.
    Within(Duration, Origin),
}

impl HealthCheck {
    /// What is asked for, for people.
    pub fn shown_url(&self) -> Option<String> {
        let ((address, path), _) = self.url.as_ref()?;
        Some(match address.starts_with('/') {
            true => format!("http://unix:{address}:{path}"),
            false => format!("http://{address}{path}"),
        })
    }

    /// How it is asked, in a sentence.
    pub fn sentence(&self) -> Option<String> {
        let url = self.shown_url()?;
        let (interval, deadline) = (self.interval.as_secs_f64(), self.deadline.as_secs_f64());
        let failures = match self.failures {
            1 => "a failure restarts it".to_owned(),
            count => format!("{count} failures in a row restart it"),
        };
        Some(format!(
            "{url} is asked for every {interval} s, and answers within {deadline} s; {failures}"
        ))
    }
}
