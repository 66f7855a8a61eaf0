//! Where something failed.

use vassal_config::diagnostic::{Origin, Public};

/// Where something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// For the journal; includes the text of a hook.
    pub text: String,
    /// For the status line.
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

    /// A step that comes from no line.
    pub fn context(words: &'static str) -> Self {
        Self {
            text: words.to_owned(),
            public: Public::words(words),
        }
    }
}
