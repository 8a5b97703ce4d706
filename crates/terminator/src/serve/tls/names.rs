//! The names that certificates are for, and which certificates a name gets.

use std::collections::{BTreeMap, HashMap};

use ahash::RandomState;
use openssl::nid::Nid;
use openssl::x509::X509Ref;

/// The longest name of DNS, without a dot at its end.
const LONGEST: usize = 253;

/// Values by name, of names as certificates have them.
#[derive(Debug)]
pub(super) struct NameTable<T> {
    exact: HashMap<Box<[u8]>, T, RandomState>,
    /// By what follows `*.`.
    wildcards: HashMap<Box<[u8]>, T, RandomState>,
}

impl<T> NameTable<T> {
    /// Names and their values.
    pub(super) fn new(values: impl IntoIterator<Item = (String, T)>) -> Self {
        let (mut exact, mut wildcards) = (HashMap::default(), HashMap::default());
        for (name, value) in values {
            match name.strip_prefix("*.") {
                Some(parent) => wildcards.insert(parent.as_bytes().into(), value),
                None => exact.insert(name.into_bytes().into(), value),
            };
        }
        Self { exact, wildcards }
    }

    /// The value of a name as a client has sent it, in upper or lower case; else that of the
    /// wildcard in the place of its first label.
    pub(super) fn find(&self, name: &[u8]) -> Option<&T> {
        let name = name.strip_suffix(b".").unwrap_or(name);
        let mut lower = [0; LONGEST];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.exact.get(&*lower).or_else(|| {
            let dot = lower.iter().position(|byte| *byte == b'.')?;
            // An empty label is none that a wildcard stands for.
            let parent = lower.get(dot + 1..).filter(|_| dot > 0)?;
            self.wildcards.get(parent)
        })
    }
}

/// The DNS names of a certificate in lower case, in its order. A certificate without a list of
/// names has its common name.
pub(super) fn names_of(certificate: &X509Ref) -> Vec<String> {
    let clean = |name: &str| {
        let name = name.strip_suffix('.').unwrap_or(name);
        (!name.is_empty() && name.len() <= LONGEST).then(|| name.to_ascii_lowercase())
    };
    if let Some(names) = certificate.subject_alt_names() {
        return names
            .iter()
            .filter_map(|name| clean(name.dnsname()?))
            .collect();
    }
    let common = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    let common = common.filter_map(|entry| entry.data().to_string().ok());
    common.filter_map(|name| clean(&name)).collect()
}

/// For each name, the certificates that it gets: of each kind of key the first one that has the
/// name, or else the first with a wildcard for it. A certificate is told by its place.
pub(super) fn certificates_by_name<K: Ord + Copy>(
    certificates: &[(K, Vec<String>)],
) -> BTreeMap<String, Vec<usize>> {
    let mut having: BTreeMap<&str, Vec<(K, usize)>> = BTreeMap::new();
    for (place, (kind, names)) in certificates.iter().enumerate() {
        for name in names {
            having.entry(name).or_default().push((*kind, place));
        }
    }
    let covering = |name: &str| {
        let wildcard = name
            .split_once('.')
            .and_then(|(_, parent)| having.get(&*format!("*.{parent}")));
        let mut first = BTreeMap::new();
        for (kind, place) in having[name].iter().chain(wildcard.into_iter().flatten()) {
            first.entry(*kind).or_insert(*place);
        }
        let mut places: Vec<usize> = first.into_values().collect();
        places.sort_unstable();
        places
    };
    let names = having.keys();
    names
        .map(|name| ((*name).to_owned(), covering(name)))
        .collect()
}

/// The first name of these certificates that leads to them and to no others; empty if they have no
/// names.
pub(super) fn first_own_name<'a, K>(
    certificates: &'a [(K, Vec<String>)],
    places: &[usize],
    by_name: &BTreeMap<String, Vec<usize>>,
) -> &'a str {
    let names = places.iter().flat_map(|place| &certificates[*place].1);
    let mut own = names.filter(|name| by_name[*name] == places);
    own.next().map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&'static str]) -> NameTable<&'static str> {
        NameTable::new(names.iter().map(|name| ((*name).to_owned(), *name)))
    }

    #[test]
    fn a_name_comes_before_a_wildcard_and_a_wildcard_stands_for_one_label() {
        let table = table(&["a.test", "*.a.test", "b.a.test"]);
        for (name, found) in [
            ("a.test", Some("a.test")),
            ("A.TEST.", Some("a.test")),
            ("b.a.test", Some("b.a.test")),
            ("c.a.test", Some("*.a.test")),
            ("d.c.a.test", None),
            ("test", None),
            (".a.test", None),
            ("*.a.test", Some("*.a.test")),
            ("", None),
            (".", None),
        ] {
            assert_eq!(table.find(name.as_bytes()).copied(), found, "{name}");
        }
        let long = format!("{}.a.test", "x".repeat(LONGEST - 7));
        assert_eq!(table.find(long.as_bytes()), Some(&"*.a.test"));
        let longer = format!("x{long}");
        assert_eq!(table.find(longer.as_bytes()), None);
        assert_eq!(table.find(&[0xff; 70_000]), None);
    }

    #[test]
    fn each_kind_of_key_has_its_first_certificate_of_a_name() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        let certificates = [
            ("rsa", names(&["a.test", "b.test"])),
            ("ec", names(&["a.test"])),
            ("ec", names(&["a.test", "c.test"])),
            ("ec", names(&["*.test"])),
        ];
        let of = certificates_by_name(&certificates);
        assert_eq!(of["a.test"], [0, 1]);
        assert_eq!(of["b.test"], [0, 3], "the wildcard brings the other kind");
        assert_eq!(of["c.test"], [2]);
        assert_eq!(of["*.test"], [3]);
        assert_eq!(of.len(), 4);
        let own = |places: &[usize]| first_own_name(&certificates, places, &of);
        assert_eq!(own(&[0, 1]), "a.test");
        assert_eq!(own(&[0, 3]), "b.test");
        assert_eq!(
            own(&[2]),
            "c.test",
            "it begins with the name of another site"
        );
        assert_eq!(own(&[3]), "*.test");
    }
}
