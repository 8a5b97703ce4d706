//! A server from Debian and a terminator that have the same key file, and what becomes of the
//! tickets that each issues when the other gets to see them.

use std::net::SocketAddr;

use rekindle_test_servers::{Files, Printed, Running, Visitor};

use crate::PROTOCOLS;
use crate::common::{Terminator, hex};
use crate::keys::{Format, Key};
use crate::servers::Product;
use crate::ticket::Ticket;

#[derive(Debug)]
pub(crate) struct Pair {
    product: &'static Product,
    format: &'static Format,
    files: Files,
    keys: Vec<Key>,
    theirs: Running,
    ours: Terminator,
    /// The session id context of both.
    context: Vec<u8>,
}

impl Pair {
    /// Starts both. The session id context is what the other server puts into its sessions.
    pub(crate) fn start(product: &'static Product, format: &'static Format) -> Self {
        let files = Files::with_certificate("localhost");
        let keys = format.random_keys();
        let theirs = product.start(&files, format, &keys);
        let [(_, protocol), ..] = PROTOCOLS;
        let ticket = Ticket::of(&first_visit(theirs.address, protocol));
        let context = ticket.session_id_context(&keys[format.seals]);
        Self {
            ours: terminator(format, &keys, &context),
            product,
            format,
            files,
            keys,
            theirs,
            context,
        }
    }

    /// A ticket that the other server issued resumes here.
    pub(crate) fn theirs_here(&self, protocol: &str) {
        let session = first_visit(self.theirs.address, protocol);
        let printed = second_visit(self.ours.address, &session);
        assert_eq!(printed.reused(), [true], "{}", printed.0);
        assert_eq!(printed.handshake(), "ticket");
    }

    /// A ticket that was issued here resumes at the other server.
    pub(crate) fn ours_there(&self, protocol: &str) {
        let session = first_visit(self.ours.address, protocol);
        let printed = second_visit(self.theirs.address, &session);
        assert_eq!(printed.reused(), [true], "{}", printed.0);
    }

    /// The other server seals with the key that the format says, and opens with those that it says.
    pub(crate) fn order_of_use(&self, protocol: &str) {
        let ticket = Ticket::of(&first_visit(self.theirs.address, protocol));
        let named = |key: &Key| key.name == ticket.key_name();
        assert_eq!(self.keys.iter().position(named), Some(self.format.seals));
        assert!(ticket.has_mac_of(&self.keys[self.format.seals]));

        for (key, opens) in self.product.opens.into_iter().enumerate() {
            let mut keys = self.keys.clone();
            keys.swap(key, self.format.seals);
            let ours = terminator(self.format, &keys, &self.context);
            let session = first_visit(ours.address, protocol);
            let printed = second_visit(self.theirs.address, &session);
            assert_eq!(printed.reused(), [opens], "key {key}: {}", printed.0);
        }
    }

    /// The other server makes its session id context of what its source says.
    pub(crate) fn context_is_known(&self, protocol: &str) {
        let ticket = Ticket::of(&first_visit(self.theirs.address, protocol));
        let context = ticket.session_id_context(&self.keys[self.format.seals]);
        assert_eq!(
            hex(&context),
            hex(&(self.product.make_context)(&self.files))
        );
    }

    /// With the same keys and another session id context, each makes a full handshake with the
    /// other's tickets.
    pub(crate) fn another_context(&self, protocol: &str) {
        let mut context = self.context.clone();
        context[0] ^= 1;
        let ours = terminator(self.format, &self.keys, &context);
        does_not_resume(self.theirs.address, ours.address, protocol);
        does_not_resume(ours.address, self.theirs.address, protocol);
    }

    /// Whether the other server's tickets have the MAC that its key file says.
    pub(crate) fn has_mac_of_its_file(&self, protocol: &str) -> bool {
        let ticket = Ticket::of(&first_visit(self.theirs.address, protocol));
        ticket.has_mac_of(&self.keys[self.format.seals])
    }

    /// The other server's tickets bear the name of the key in its file, and its AES key opens them,
    /// but the MAC is by another secret. (That the AES key is right shows in the context that
    /// [`Self::context_is_known`].)
    pub(crate) fn another_mac(&self, protocol: &str) {
        let ticket = Ticket::of(&first_visit(self.theirs.address, protocol));
        let key = &self.keys[self.format.seals];
        assert_eq!(ticket.key_name(), key.name);
        assert!(!ticket.has_mac_of(key));
        assert_eq!(ticket.session_id_context(key), self.context);
    }

    pub(crate) fn theirs_not_here(&self, protocol: &str) {
        does_not_resume(self.theirs.address, self.ours.address, protocol);
    }

    pub(crate) fn ours_not_there(&self, protocol: &str) {
        does_not_resume(self.ours.address, self.theirs.address, protocol);
    }
}

/// A terminator with a key file in the other server's format and with its session id context.
fn terminator(format: &Format, keys: &[Key], context: &[u8]) -> Terminator {
    let files = Files::new();
    let (name, order) = match format.one_key_a_file() {
        false => ("tickets", ""),
        true => (".", "--ticket-keys-order first"),
    };
    match format.one_key_a_file() {
        false => files.replace(name, &format.file(keys)),
        true => keys.chunks(1).enumerate().for_each(|(number, key)| {
            files.replace(&format!("ticket{number}"), &format.file(key));
        }),
    }
    // The terminator reads the files before it listens, so they need not stay.
    Terminator::demo(&format!(
        "--ticket-keys {} --ticket-keys-format {} --session-id-context hex:{} {order}",
        files.text(name),
        format.name,
        hex(context),
    ))
}

/// A ticket from one gets a full handshake at the other, and no error.
pub(crate) fn does_not_resume(issued_by: SocketAddr, shown_to: SocketAddr, protocol: &str) {
    let session = first_visit(issued_by, protocol);
    let printed = second_visit(shown_to, &session);
    assert_eq!(printed.reused(), [false], "{}", printed.0);
}

/// A full handshake that leaves its session.
pub(crate) fn first_visit(address: SocketAddr, protocol: &str) -> Visitor<'_> {
    let client = Visitor::new(protocol);
    client.visit(address).expect_reused([false]);
    client
}

/// A handshake with that session, full or resumed.
pub(crate) fn second_visit(address: SocketAddr, client: &Visitor<'_>) -> Printed {
    let printed = client.come_back(address);
    printed.assert_no_error();
    printed
}
