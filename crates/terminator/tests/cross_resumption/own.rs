//! The terminator, with a key file in another server's format and that server's session id context.

use crate::common::Terminator;
use crate::common::files::Files;
use crate::keys::{Format, Key};

#[derive(Debug)]
pub(crate) struct Own<'a> {
    pub(crate) format: &'a Format,
    pub(crate) keys: &'a [Key],
    pub(crate) context: &'a [u8],
}

impl Own<'_> {
    pub(crate) fn start(&self) -> Terminator {
        let files = Files::new();
        files.replace("tickets", &self.format.file(self.keys));
        // They are read before it listens, and the files need not stay.
        Terminator::demo(&format!(
            "--ticket-keys {} --ticket-keys-format {} --session-id-context hex:{}",
            files.text("tickets"),
            self.format.name,
            hex(self.context),
        ))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
