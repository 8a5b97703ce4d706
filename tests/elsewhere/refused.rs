//! What is not inserted, and changes nothing.

use std::time::Duration;

use rekindle::openssl::StoreError;
use rekindle::{Cache, Refused, SessionId, Time};

use crate::common::{self, Client, Mechanism};
use crate::machine::{Machine, Stored};

/// A machine that has a session of its own, and one of another machine that is to be inserted.
fn with_a_session_to_come(kind: Mechanism) -> (Machine, Stored) {
    let [here, there] = [(); 2].map(|()| Machine::new(kind));
    let (_, stored) = here.visited(kind);
    there.visited(kind);
    (there, stored)
}

/// Whether neither the cache's content nor its counts of inserts have changed.
#[track_caller]
fn is_unchanged<R>(machine: &Machine, call: impl FnOnce() -> R) -> R {
    let state = || {
        let stats = machine.resumption.cache().stats();
        let evicted = format!("{:?}", stats.evicted);
        (machine.content(), stats.inserts, stats.replaced, evicted)
    };
    let before = state();
    let result = call();
    assert!(before == state(), "the cache has changed");
    result
}

#[test]
fn what_is_no_session_is_refused() {
    for kind in Mechanism::STATEFUL {
        let (machine, stored) = with_a_session_to_come(kind);
        let end = machine.end_of(&stored);
        let insert =
            |encoded: &[u8]| (machine.resumption).insert_from_elsewhere(&stored.id, encoded, end);
        for encoded in [
            &b""[..],
            b"garbage",
            &[0x30],
            &[0x30, 0x80],
            &[0; 200],
            &[0xff; 9_000],
        ] {
            let refused = is_unchanged(&machine, || insert(encoded));
            assert!(matches!(refused, Err(StoreError::Decode(_))), "{refused:?}");
        }
        for len in 0..stored.encoded.len() {
            let refused = is_unchanged(&machine, || insert(&stored.encoded[..len]));
            assert!(matches!(refused, Err(StoreError::Decode(_))), "{len} bytes");
        }
        assert_eq!(openssl::error::ErrorStack::get().errors().len(), 0);
        assert!(insert(&stored.encoded).unwrap(), "{kind:?}");
    }
}

/// Each byte changed: refused, or another session under this id, which no client has the secret of.
#[test]
fn what_was_changed_on_its_way_does_no_harm() {
    for kind in Mechanism::STATEFUL {
        let [here, there] = [(); 2].map(|()| Machine::new(kind));
        let (client, stored) = here.visited(kind);
        let (session, server) = (client.session(), there.server());
        let (mut refused, mut inserted) = (0, 0);
        for place in 0..stored.encoded.len() {
            for change in [1, 0x80, 0xff] {
                let mut changed = stored.clone();
                changed.encoded[place] ^= change;
                match there.insert(&changed) {
                    // Its own end has passed.
                    Ok(false) => refused += 1,
                    Ok(true) => {
                        inserted += 1;
                        // A handshake, resumed or not, or an error of TLS.
                        let _ = client.try_connect(&server, Some(&session), None);
                        there.resumption.cache().remove(&stored.id);
                    }
                    Err(StoreError::Decode(_) | StoreError::IdDiffers) => refused += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        assert!(refused > 100 && inserted > 100, "{refused}, {inserted}");
    }
}

#[test]
fn a_session_of_another_id_is_refused() {
    for kind in Mechanism::STATEFUL {
        let (machine, stored) = with_a_session_to_come(kind);
        let end = machine.end_of(&stored);
        let longer = [stored.id.as_bytes(), &[0]].concat();
        let ids = [&b"x"[..], &[7; 32], &stored.id.as_bytes()[1..]];
        let ids = ids
            .into_iter()
            .chain((longer.len() <= 32).then_some(&longer[..]));
        for id in ids {
            let id = SessionId::new(id).unwrap();
            let insert = || (machine.resumption).insert_from_elsewhere(&id, &stored.encoded, end);
            let refused = is_unchanged(&machine, insert);
            assert!(matches!(refused, Err(StoreError::IdDiffers)), "{refused:?}");
        }
    }
}

#[test]
fn one_that_has_ended_is_not_inserted() {
    for kind in Mechanism::STATEFUL {
        let (machine, stored) = with_a_session_to_come(kind);
        let now = machine.resumption.cache().now();
        let before = Time::from_millis(now.as_millis() - 1);
        for end in [Time::from_millis(0), before] {
            let insert =
                || (machine.resumption).insert_from_elsewhere(&stored.id, &stored.encoded, end);
            let inserted = is_unchanged(&machine, insert);
            assert!(matches!(inserted, Ok(false)), "{inserted:?}");
        }
        // The last moment of its life.
        let inserted = (machine.resumption).insert_from_elsewhere(&stored.id, &stored.encoded, now);
        assert!(inserted.unwrap(), "{kind:?}");
    }
}

/// The end that comes with a session may be any; OpenSSL holds it to its own.
#[test]
fn an_end_that_never_comes_does_no_harm() {
    for kind in Mechanism::STATEFUL {
        let [here, there] = [(); 2].map(|()| Machine::new(kind));
        let (client, stored) = here.visited(kind);
        let forever = Time::NEVER;
        let inserted =
            (there.resumption).insert_from_elsewhere(&stored.id, &stored.encoded, forever);
        assert!(inserted.unwrap());
        there.clock.pass(Duration::from_secs(30 * 86_400));
        let session = client.session();
        let came = client.offer(&there.server(), &session);
        assert!(!came.resumed(), "{kind:?}: its lineage has ended");
        drop(came);
        there.resumption.maintain().unwrap();
    }
}

#[test]
fn what_the_cache_refuses_is_counted() {
    for kind in Mechanism::STATEFUL {
        let here = Machine::new(kind);
        let (client, stored) = here.visited(kind);
        let small = common::cache(Cache::builder().capacity(10).max_encoded_len(50));
        let there = Machine::configured(kind, |builder| builder.cache(small));
        let end = there.end_of(&stored);
        let insert = || (there.resumption).insert_from_elsewhere(&stored.id, &stored.encoded, end);
        let refused = is_unchanged(&there, insert);
        let len = stored.encoded.len();
        let limit = 50;
        assert!(
            matches!(refused, Err(StoreError::Refused(Refused::TooLarge { len: l, limit: m }))
                if (l, m) == (len, limit)),
            "{refused:?}"
        );
        assert_eq!(there.resumption.cache().stats().refused.too_large, 1);
        let session = client.session();
        assert!(!client.offer(&there.server(), &session).resumed());
    }
}

#[test]
fn a_cache_that_is_closed_takes_none() {
    for kind in Mechanism::STATEFUL {
        let (machine, stored) = with_a_session_to_come(kind);
        machine.resumption.close();
        assert!(!machine.insert(&stored).unwrap(), "{kind:?}");
        assert!(machine.resumption.cache().is_empty());
        // Not even a look at it.
        let end = machine.end_of(&stored);
        let nothing = (machine.resumption).insert_from_elsewhere(&stored.id, b"", end);
        assert!(matches!(nothing, Ok(false)));
    }
}

/// A full cache makes room, as for its own.
#[test]
fn a_full_cache_makes_room() {
    let kind = Mechanism::Tls12Id;
    let here = Machine::new(kind);
    let few = common::cache(Cache::builder().capacity(8));
    let there = Machine::configured(kind, |builder| builder.cache(few));
    for _ in 0..50 {
        let client = Client::new(kind);
        client.connect(&here.server());
        let stored = here.stored().pop().unwrap();
        assert!(there.insert(&stored).unwrap());
        let session = client.session();
        assert!(client.offer(&there.server(), &session).resumed());
        assert!(there.resumption.cache().len() <= 8);
    }
}

#[test]
fn refusals_are_alike_however_sessions_are_stored() {
    common::with_other_storages(&[
        what_is_no_session_is_refused,
        what_was_changed_on_its_way_does_no_harm,
        a_session_of_another_id_is_refused,
        one_that_has_ended_is_not_inserted,
        an_end_that_never_comes_does_no_harm,
        what_the_cache_refuses_is_counted,
        a_cache_that_is_closed_takes_none,
        a_full_cache_makes_room,
    ]);
}
