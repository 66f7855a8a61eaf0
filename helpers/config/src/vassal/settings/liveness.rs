//! How it is recognised that a serving app is still well: it is asked (`health`), or sends a heartbeat (`watchdog`).

use crate::diagnostic::Origin;
use std::time::Duration;

/// `health` and related settings.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    /// The address and path that are asked, and the line; without it nothing is asked.
    pub url: Option<((String, String), Origin)>,
    /// `health-interval`: from an answer to the next question.
    pub interval: Duration,
    /// `health-deadline`: how long an answer may take.
    pub deadline: Duration,
    /// `health-failures`: how many failures in a row are a verdict.
    pub failures: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            url: None,
            interval: Duration::from_secs(10),
            // The time that a server has to answer when it is started (`ready`).
            deadline: Duration::from_secs(5),
            // One slow answer does not mean that the app is ill, and a restart costs more.
            failures: 3,
        }
    }
}

/// `watchdog`.
#[derive(Debug, Clone)]
pub enum Watchdog {
    /// The app is not told that it may send heartbeats, and none are read.
    Off,
    /// A serving app has to send `WATCHDOG=1` at least this often; and the line.
    Within(Duration, Origin),
}

impl HealthCheck {
    /// The URL for display.
    pub fn shown_url(&self) -> Option<String> {
        let ((address, path), _) = self.url.as_ref()?;
        Some(match address.starts_with('/') {
            true => format!("http://unix:{address}:{path}"),
            false => format!("http://{address}{path}"),
        })
    }

    /// A sentence that describes the health check.
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
