//! Why a vassal does not start, and the code that says whether to try again.

use vassal_config::diagnostic::Diagnostic;
use vassal_sys::{SysError, exit};

/// A start that failed: one line for the journal and `systemctl status`, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One of [`vassal_sys::exit`].
    pub code: u8,
    /// One line: file and line, what, why, the remedy where there is one.
    pub message: String,
}

impl Failure {
    /// The configuration is wrong: trying again cannot help.
    pub fn config(message: impl Into<String>) -> Self {
        Self {
            code: exit::CONFIG,
            message: message.into(),
        }
    }

    /// Something failed that may work the next time.
    pub fn passing(message: impl Into<String>) -> Self {
        Self {
            code: exit::FAILED,
            message: message.into(),
        }
    }

    /// A step of setting up the namespaces failed.
    pub fn namespace(error: &SysError) -> Self {
        Self {
            code: exit::NAMESPACE,
            message: error.to_string(),
        }
    }

    /// The same failure, told with where it happened: `user001.ini:6: as-root hook 'x': `.
    pub fn at(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::config(diagnostic.to_string())
    }
}

impl From<Vec<Diagnostic>> for Failure {
    /// The first of them: one line, and the place to read the others.
    fn from(found: Vec<Diagnostic>) -> Self {
        let others = found.len().saturating_sub(1);
        let mut message = found.first().map(ToString::to_string).unwrap_or_default();
        if others > 0 {
            message.push_str(&format!("; and {others} more (vassalctl check)"));
        }
        Self::config(message)
    }
}

impl From<SysError> for Failure {
    fn from(error: SysError) -> Self {
        Self {
            code: exit::OS,
            message: error.to_string(),
        }
    }
}
