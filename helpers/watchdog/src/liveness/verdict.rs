//! The results of questions about an app's health, and the verdicts on an app.

use nix::errno::Errno;
use std::fmt;
use std::time::Duration;
use vassal_systemd::verdicts::{self, Row};

/// The result of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// An answer with this status.
    Status(u16),
    /// An answer that is not HTTP.
    NoHttp,
    /// The connection was closed without an answer.
    Closed,
    /// Connecting or the connection failed.
    Failed(Errno),
    /// No answer within this time.
    Late(Duration),
}

impl Sign {
    /// Whether it is a good result.
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

/// What is wrong with a serving app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has failed this many questions in a row; the result of the last one.
    Sick(Sign, u32),
    /// It has sent no `WATCHDOG=1` for this time.
    Silent(Duration),
    /// The workers of a uWSGI have sent no heartbeat for this time.
    Stuck(Duration),
}

impl Verdict {
    /// The name and the sentences of the verdict.
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
