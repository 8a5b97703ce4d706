//! What a session may be resumed under.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sha2::{Digest, Sha256};

/// What a session belongs to: it resumes under the same scope and under no other. Two servers that
/// authenticate clients in different ways, or for different tenants, have different scopes.
///
/// ```
/// use rekindle::resume::{ClientAuth, Scope};
///
/// # let (leaf_der, ca_der) = ([1; 300], [2; 300]);
/// let scope = Scope::builder()
///     .name("shop.example")
///     .server_certificate(leaf_der)
///     .client_auth(ClientAuth::Required)
///     .client_ca(ca_der)
///     .crl_number(17u64.to_be_bytes())
///     .label("tenant", "blue")
///     .build();
/// assert_ne!(scope, Scope::new("shop.example"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope([u8; Self::LEN]);

/// Whether a server asks its clients for certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// It does not.
    #[default]
    None,
    /// It does, and goes on without one.
    Optional,
    /// It does, and ends handshakes of clients that show none.
    Required,
}

/// Collects what makes a [`Scope`]. Fields that were not given are as good as empty ones; the order
/// of calls does not matter.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ScopeBuilder {
    name: Vec<u8>,
    server_certificates: BTreeSet<Vec<u8>>,
    client_auth: ClientAuth,
    client_cas: BTreeSet<Vec<u8>>,
    crl_number: Vec<u8>,
    labels: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Scope {
    /// Bytes of a scope: as many as a session id context may have.
    pub const LEN: usize = 32;

    /// The scope of a virtual host or tenant of that name: any bytes, the same on all machines that
    /// resume each other's sessions.
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        Self::builder().name(name).build()
    }

    /// A scope of several parts.
    pub fn builder() -> ScopeBuilder {
        ScopeBuilder::default()
    }

    /// The scope that [`as_bytes`](Self::as_bytes) shows so.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes of the digest: for OpenSSL, the session id context.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl ScopeBuilder {
    /// The virtual host or tenant.
    pub fn name(mut self, name: impl AsRef<[u8]>) -> Self {
        self.name = name.as_ref().to_vec();
        self
    }

    /// One of the server's own certificates, as DER. A session so ends when its server's
    /// certificate is renewed.
    pub fn server_certificate(mut self, der: impl AsRef<[u8]>) -> Self {
        self.server_certificates.insert(digest(der));
        self
    }

    /// Whether clients are asked for certificates.
    pub fn client_auth(mut self, mode: ClientAuth) -> Self {
        self.client_auth = mode;
        self
    }

    /// One of those whom clients' certificates are verified with, certificate or name, as DER.
    pub fn client_ca(mut self, der: impl AsRef<[u8]>) -> Self {
        self.client_cas.insert(digest(der));
        self
    }

    /// The number of the certificate revocation list, or anything else that changes with it.
    pub fn crl_number(mut self, number: impl AsRef<[u8]>) -> Self {
        self.crl_number = number.as_ref().to_vec();
        self
    }

    /// Anything else that sessions must not cross: a label, and its value. Another value of the
    /// same label takes the place of the one before.
    pub fn label(mut self, label: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let (label, value) = (label.as_ref().to_vec(), value.as_ref().to_vec());
        self.labels.insert(label, value);
        self
    }

    /// The scope: a digest, so that the length of the parts does not matter.
    #[must_use]
    pub fn build(&self) -> Scope {
        let mut hash = Sha256::new();
        hash.update(b"rekindle scope");
        // Each field as its number of parts, each part as its length and its bytes: no field and no
        // part runs into the next.
        let mut field = |parts: &mut dyn ExactSizeIterator<Item = &[u8]>| {
            hash.update((parts.len() as u64).to_be_bytes());
            for part in parts {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        };
        field(&mut [&self.name[..]].into_iter());
        field(&mut self.server_certificates.iter().map(Vec::as_slice));
        field(&mut [&[self.client_auth as u8][..]].into_iter());
        field(&mut self.client_cas.iter().map(Vec::as_slice));
        field(&mut [&self.crl_number[..]].into_iter());
        field(&mut self.labels.keys().map(Vec::as_slice));
        field(&mut self.labels.values().map(Vec::as_slice));
        Scope(hash.finalize().into())
    }
}

fn digest(der: impl AsRef<[u8]>) -> Vec<u8> {
    Sha256::digest(der).to_vec()
}

/// The first four bytes, in hexadecimal.
impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Scope({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_two_that_differ_are_one() {
        let empty = Scope::builder;
        let scopes = [
            empty(),
            empty().name("a"),
            empty().name("b"),
            empty().name("ab"),
            empty().server_certificate("a"),
            empty().server_certificate("a").server_certificate("b"),
            empty().server_certificate("ab"),
            empty().client_ca("a"),
            empty().client_ca("a").client_ca("b"),
            empty().client_auth(ClientAuth::Optional),
            empty().client_auth(ClientAuth::Required),
            empty().crl_number("a"),
            empty().label("a", "b"),
            empty().label("a", ""),
            empty().label("ab", ""),
            empty().label("", "ab"),
            empty().label("ab", "c"),
            empty().label("a", "bc"),
            empty().label("a", "b").label("c", "d"),
            empty().label("a", "d").label("c", "b"),
        ];
        for (i, one) in scopes.iter().enumerate() {
            for (j, other) in scopes.iter().enumerate() {
                assert_eq!(one.build() == other.build(), i == j, "{one:?}, {other:?}");
            }
        }
    }

    #[test]
    fn the_order_does_not_matter() {
        let one = Scope::builder().client_ca("a").client_ca("b").name("x");
        let other = Scope::builder().name("x").client_ca("b").client_ca("a");
        let other = other.client_ca("a");
        assert_eq!(one.label("l", "1").build(), other.label("l", "1").build());
        let relabelled = Scope::builder().label("l", "1").label("l", "2");
        assert_eq!(relabelled.build(), Scope::builder().label("l", "2").build());
    }
}
