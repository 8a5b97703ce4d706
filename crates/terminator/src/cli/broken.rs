//! What is said of flags that do not go together.

/// A rule that the settings break.
#[derive(Debug)]
pub(super) struct Broken {
    /// The flag at fault, or the one that is missing.
    pub(super) flag: &'static str,
    /// Which of its values.
    pub(super) at: usize,
    /// The flag that it does not go with.
    pub(super) other: Option<&'static str>,
    pub(super) reason: String,
}

impl Broken {
    pub(super) fn new(
        flag: &'static str,
        other: Option<&'static str>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            flag,
            at: 0,
            other,
            reason: reason.into(),
        }
    }
}
