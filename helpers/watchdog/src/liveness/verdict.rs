//! What a question about an app's health has brought, and the verdicts on the app.

use nix::errno::Errno;
use std::fmt;
use std::time::Duration;
use vassal_systemd::verdicts::{self, Row};

/// What has come of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// An answer with this status.
    Status(u16),
    /// An answer that is no HTTP.
    NoHttp,
    /// The connection was closed without an answer.
    Closed,
    /// There was no connection, or it broke.
    Failed(Errno),
    /// No answer in the time there is.
    Late(Duration),
}

impl Sign {
    /// Whether the app is well, as far as it says.
    pub fn is_good(self) -> bool {
        self == Sign::Status(200)
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sign::Status(status) => write!(f, "status {status}"),
            Sign::NoHttp => f.write_str("an answer that is no HTTP"),
            Sign::Closed => f.write_str("closed without an answer"),
            Sign::Failed(errno) => write!(f, "{errno:?}"),
            Sign::Late(time) => write!(f, "no answer within {} s", time.as_secs_f32()),
        }
    }
}

/// What is wrong with an app that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has failed so many questions in a row, the last one like this.
    Sick(Sign, u32),
    /// It has not sent for so long that it is well.
    Silent(Duration),
    /// The same of a uWSGI, whose workers go through their loop no more.
    Stuck(Duration),
}

impl Verdict {
    /// How it is said.
    pub fn row(self) -> &'static Row {
        match self {
            Verdict::Sick(..) => &verdicts::SICK,
            Verdict::Silent(_) | Verdict::Stuck(_) => &verdicts::SILENT,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentences = self.row().sentences;
        let sentence = match self {
            Verdict::Sick(..) | Verdict::Silent(_) => sentences.first(),
            Verdict::Stuck(_) => sentences.last(),
        };
        let Some(sentence) = sentence else {
            return Ok(());
        };
        f.write_str(&match self {
            Verdict::Sick(sign, count) => sentence.with(&[("sign", sign), ("count", count)]),
            Verdict::Silent(time) | Verdict::Stuck(time) => {
                sentence.with(&[("seconds", &time.as_secs_f32())])
            }
        })
    }
}
