//! A context for each set of certificates, chosen by the name that the client asks for, before
//! OpenSSL looks the session up.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use openssl::pkey::Id;
use openssl::ssl::{ClientHelloResponse, SslAcceptorBuilder, SslAlert, SslContext, SslContextRef};
use rekindle::openssl::client_hello_server_name;
use rekindle::resume::Scope;

use super::context::ContextSettings;
use super::fetch::SessionFetch;
use super::identity::Identity;
use super::names::{NameTable, certificates_by_name, first_own_name, names_of};
use crate::error::TlsError;

/// What sessions belong to where there is one context, so that they outlive a certificate that is
/// renewed with other names. Where there are several, it is the first name of the certificates that
/// leads to the site.
const ONLY_SITE: &str = "rekindle-terminator";

/// The contexts of all certificates.
#[derive(Debug)]
pub(crate) struct Sites {
    /// What every connection begins with: the context of the first certificate.
    first: SslContext,
    scopes: Vec<Scope>,
}

/// Where a name leads.
#[derive(Debug)]
struct Choice {
    names: NameTable<Site>,
    /// Whether a client that asks for another name, or for none, is refused. Otherwise it gets the
    /// first certificate.
    refuse_unknown: bool,
    /// Of the first certificate.
    first_scope: Scope,
    fetch: Option<SessionFetch>,
}

#[derive(Debug, Clone)]
enum Site {
    First,
    Other(SslContext, Scope),
}

/// The kind of a certificate's key: a context holds one certificate of each.
type KeyKind = i32;

impl Sites {
    pub(crate) fn new(
        identities: &[Identity],
        settings: &ContextSettings,
        refuse_unknown: bool,
    ) -> Result<Self, TlsError> {
        let certificates: Vec<(KeyKind, Vec<String>)> = (identities.iter())
            .map(|identity| (kind(identity.key.id()), names_of(&identity.leaf)))
            .collect();
        let by_name = certificates_by_name(&certificates);
        let primary = |place: usize| certificates[place].1.first().map_or("", String::as_str);
        let first = by_name.get(primary(0)).cloned().unwrap_or(vec![0]);
        let is_only_one = by_name.values().all(|places| *places == first);
        let make = |places: &[usize]| {
            let identities: Vec<_> = places.iter().map(|place| &identities[*place]).collect();
            let name = match is_only_one {
                true => ONLY_SITE,
                false => first_own_name(&certificates, places, &by_name),
            };
            settings.context(&identities, name)
        };
        let (mut front, first_scope) = make(&first)?;
        let mut scopes = vec![first_scope];
        let fetch = &settings.session_fetch;
        let mut sites = BTreeMap::from([(first, Site::First)]);
        let mut names = Vec::with_capacity(by_name.len());
        for (name, places) in &by_name {
            let site = match sites.entry(places.clone()) {
                Entry::Occupied(site) => site.get().clone(),
                Entry::Vacant(free) => {
                    let (mut builder, scope) = make(free.key())?;
                    let own = by_name.iter().filter(|(_, others)| *others == places);
                    stay_within(&mut builder, own.map(|(name, _)| (name.clone(), ())));
                    scopes.push(scope);
                    let context = builder.build().into_context();
                    free.insert(Site::Other(context, scope)).clone()
                }
            };
            names.push((name.clone(), site));
        }
        if !is_only_one || refuse_unknown || fetch.is_some() {
            let choice = Choice {
                names: NameTable::new(names),
                refuse_unknown,
                first_scope,
                fetch: fetch.clone(),
            };
            choose_by_name(&mut front, choice);
        }
        Ok(Self {
            first: front.build().into_context(),
            scopes,
        })
    }

    /// The context that every connection begins with.
    pub(super) fn first(&self) -> &SslContextRef {
        &self.first
    }

    /// What the sessions of each context belong to.
    pub(crate) fn scopes(&self) -> &[Scope] {
        &self.scopes
    }
}

fn choose_by_name(front: &mut SslAcceptorBuilder, choice: Choice) {
    front.set_client_hello_callback(move |ssl, alert| {
        let name = client_hello_server_name(ssl);
        let scope = match (
            name.and_then(|name| choice.names.find(name)),
            choice.refuse_unknown,
        ) {
            (Some(Site::Other(context, scope)), _) => {
                ssl.set_ssl_context(context)?;
                scope
            }
            (Some(Site::First), _) | (None, false) => &choice.first_scope,
            (None, true) => {
                *alert = SslAlert::UNRECOGNIZED_NAME;
                return Err(openssl::error::ErrorStack::get());
            }
        };
        SessionFetch::on_client_hello(choice.fetch.as_ref(), ssl, scope)
    });
}

/// After a fetch, and after a HelloRetryRequest, OpenSSL asks the context that the first call has
/// chosen. A second ClientHello has the same name (RFC 8446, section 4.1.2): another would reach
/// this site in the place of its own, or of a refusal.
fn stay_within(site: &mut SslAcceptorBuilder, names: impl Iterator<Item = (String, ())>) {
    let names = NameTable::new(names);
    site.set_client_hello_callback(move |ssl, alert| {
        match client_hello_server_name(ssl).and_then(|name| names.find(name)) {
            Some(()) => Ok(ClientHelloResponse::SUCCESS),
            None => {
                *alert = SslAlert::ILLEGAL_PARAMETER;
                Err(openssl::error::ErrorStack::get())
            }
        }
    });
}

/// As OpenSSL keeps certificates: all curves of NIST have one place.
fn kind(key: Id) -> KeyKind {
    key.as_raw()
}
