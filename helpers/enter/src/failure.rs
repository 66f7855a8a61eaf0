//! Why a vassal does not start, and the code that says whether to try again.

use vassal_config::diagnostic::{Diagnostic, Origin, Public};
use vassal_sys::SysError;
use vassal_systemd::exit;

/// A start that failed: one line for the journal, one for `systemctl status`, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One of [`vassal_systemd::exit`].
    pub code: u8,
    /// One line for the journal: file and line, what, why, the remedy where there is one.
    pub message: String,
    /// One line that everybody may read.
    pub public: Public,
}

/// Where something failed.
#[derive(Debug, Clone)]
pub struct Place {
    /// For the journal, with the text of a hook.
    pub text: String,
    /// For everybody.
    pub public: Public,
}

impl Place {
    /// The line of `option`.
    pub fn line(origin: &Origin, option: &str) -> Self {
        Self {
            text: origin.to_string(),
            public: Public::place(Some(origin), option.as_bytes()),
        }
    }

    /// A step that no line has asked for.
    pub fn context(words: &'static str) -> Self {
        Self {
            text: words.to_owned(),
            public: Public::words(words),
        }
    }
}

impl Failure {
    /// The configuration is wrong: trying again cannot help.
    pub fn config(message: impl Into<String>) -> Self {
        Self {
            code: exit::CONFIG,
            message: message.into(),
            public: Public::words("it is wrong (the journal says why)"),
        }
    }

    /// Something failed that may work the next time.
    pub fn passing(message: impl Into<String>) -> Self {
        Self {
            code: exit::FAILED,
            message: message.into(),
            public: Public::words("it failed (the journal says why)"),
        }
    }

    /// A step of setting up the namespaces failed.
    pub fn namespace(error: &SysError) -> Self {
        Self {
            code: exit::NAMESPACE,
            message: error.to_string(),
            public: Public::words("the namespaces cannot be set up (the journal says why)"),
        }
    }

    /// The same failure, told with where it happened: `user001.ini:6: as-root hook 'x': `.
    pub fn at(self, place: &Place) -> Self {
        Self {
            message: format!("{}: {}", place.text, self.message),
            public: self.public.at(&place.public),
            ..self
        }
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self {
            public: diagnostic.public(),
            ..Self::config(diagnostic.to_string())
        }
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
        Self {
            public: found
                .first()
                .map_or(Public::words("the configuration is wrong"), Diagnostic::public),
            ..Self::config(message)
        }
    }
}

impl From<SysError> for Failure {
    fn from(error: SysError) -> Self {
        Self {
            code: exit::OS,
            message: error.to_string(),
            public: Public::words("the system refused it (the journal says why)"),
        }
    }
}
