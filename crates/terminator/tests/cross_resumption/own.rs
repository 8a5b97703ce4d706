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
        Terminator::demo(&[
            "--ticket-keys",
            &files.text("tickets"),
            "--ticket-keys-format",
            self.format.name,
            "--session-id-context",
            &format!("hex:{}", hex(self.context)),
        ])
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
