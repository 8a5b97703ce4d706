//! Which server names are one: a session that was made under one name is not resumed under another.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// What a session carries of the server name that it was made under: a digest, since clients choose
/// names.
pub(crate) type NameTag = [u8; 16];

/// What sessions say that were made where names do not matter. No digest is this.
const ANY: NameTag = [0; 16];

/// No longer name is one: OpenSSL ends the handshake of a client that sends it.
const LONGEST: usize = 255;

/// How names are compared: without regard to case, each for itself unless it is said to be one with
/// others.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerNames {
    is_ignored: bool,
    /// The first name of its group.
    groups: HashMap<Vec<u8>, Vec<u8>>,
}

impl ServerNames {
    pub(crate) fn ignore(&mut self) {
        self.is_ignored = true;
    }

    /// Adds a group of names that are one. A name of two groups makes them one as well.
    pub(crate) fn add_group(&mut self, names: impl Iterator<Item = Vec<u8>>) {
        let names: Vec<_> = names.map(|name| name.to_ascii_lowercase()).collect();
        let Some(first) = names.first().cloned() else {
            return;
        };
        for name in names {
            let before = self.groups.insert(name, first.clone());
            for group in self.groups.values_mut() {
                if before.as_ref() == Some(group) {
                    group.clone_from(&first);
                }
            }
        }
    }

    /// The tag of a name; none, as a client may send, is a name of its own.
    pub(crate) fn tag(&self, name: &[u8]) -> NameTag {
        if self.is_ignored {
            return ANY;
        }
        let mut lower = [0; LONGEST];
        let name = match lower.get_mut(..name.len()) {
            Some(lower) => {
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                self.groups.get(lower).map_or(&*lower, Vec::as_slice)
            }
            None => name,
        };
        // On the stack: lookups do not allocate.
        let digest = Sha256::digest(name);
        *digest.first_chunk().expect("32 bytes")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn group(names: &[&str]) -> impl Iterator<Item = Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec())
    }

    #[test]
    fn names_are_one_as_they_are_said_to_be() {
        let mut names = ServerNames::default();
        names.add_group(group(&["a.test", "WWW.a.test"]));
        names.add_group(group(&["b.test", "c.test"]));
        names.add_group(group(&[]));
        let are_one = |names: &ServerNames, one: &str, other: &str| {
            names.tag(one.as_bytes()) == names.tag(other.as_bytes())
        };
        assert!(are_one(&names, "A.TEST", "www.A.test"));
        assert!(are_one(&names, "d.test", "D.test"));
        for (one, other) in [("a.test", "b.test"), ("d.test", "e.test"), ("a.test", "")] {
            assert!(!are_one(&names, one, other), "{one}, {other}");
        }
        // Through a name of both.
        names.add_group(group(&["x.test", "www.a.test", "c.test"]));
        for name in ["a.test", "b.test", "c.test", "x.test"] {
            assert!(are_one(&names, "www.a.test", name), "{name}");
        }
        names.ignore();
        assert!(are_one(&names, "a.test", ""));
    }
}
