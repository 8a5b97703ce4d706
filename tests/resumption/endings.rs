//! Sessions of connections that end, well or badly.

use std::io::Read;

use rekindle::Cache;
use rekindle::openssl::KeepSession;

use crate::common::{Client, Mechanism, peers, server};
use crate::{id_of, with_cache};

#[test]
pub(crate) fn sessions_outlive_connections_that_just_end_but_none_that_failed() {
    for kind in Mechanism::STATEFUL {
        for (keep, fails) in [(true, false), (true, true), (false, false), (false, true)] {
            let builder = with_cache(Cache::builder().capacity(10)).keep_sessions(keep);
            let resumption = builder.build().unwrap();
            let (server, client) = (server(&resumption), Client::new(kind));
            let mut connection = client.connect(&server);
            connection.rude = true;
            if fails {
                // No key of this connection has sealed that.
                let record = b"\x17\x03\x03\x00\x20 thirty-two bytes of other's data";
                let incoming = &connection.server.get_ref().incoming;
                incoming.borrow_mut().extend(&record[..5 + 0x20]);
                connection.server.read(&mut [0; 8]).unwrap_err();
            }
            let session = client.session();
            drop(connection);
            let resumed = client.offer(&server, &session).resumed();
            assert_eq!(resumed, keep && !fails, "{kind:?}, {keep}, {fails}");
        }
    }
}

/// OpenSSL marks the object that it removes: a session that many connections share goes on.
#[test]
pub(crate) fn a_session_outlives_each_of_its_connections() {
    let resumption = with_cache(Cache::builder().capacity(10)).keep_sessions(true);
    let resumption = resumption.build().unwrap();
    let (server, client) = (server(&resumption), Client::new(Mechanism::Tls12Id));
    client.connect(&server).rude = true;
    let session = client.session();
    for _ in 0..5 {
        let mut again = client.offer(&server, &session);
        assert!(again.resumed());
        again.rude = true;
    }
    assert!(resumption.cache().remove(&id_of(&session)));
    assert!(!client.offer(&server, &session).resumed());
}

#[test]
pub(crate) fn a_connection_that_just_ends_may_keep_its_session() {
    for kind in Mechanism::STATEFUL {
        for keep in [true, false] {
            let (_, server, client) = peers(kind);
            let mut connection = client.connect(&server);
            connection.rude = true;
            if keep {
                drop(KeepSession::new(&mut connection.server, |s| s.ssl()));
            }
            let session = client.session();
            drop(connection);
            // OpenSSL's own habit is to remove the session that the connection had last.
            assert_eq!(client.offer(&server, &session).resumed(), keep, "{kind:?}");
        }
    }
}
