//! Bytes that claim to come from a predecessor: errors, and nothing worse. What is taken is what a
//! ring or a cache may hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rekindle::openssl::{EarlyData, InheritedState, Resumption, SessionStorage};
use rekindle::tickets::{InheritedRing, TicketRing};

/// A successor, which keeps encodings only, so that sessions need not parse. Made for each input:
/// what leaks is seen when it is dropped.
fn successor() -> Resumption {
    let builder = Resumption::builder().sessions(100);
    let builder = builder.session_storage(SessionStorage::Encoded);
    let builder = builder.early_data(EarlyData::up_to(1).flights_per_second(1));
    builder.build().expect("it fits")
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    match kind % 4 {
        0 => {
            let Ok(inherited) = InheritedRing::parse(bytes) else {
                return;
            };
            let ring = TicketRing::builder().inherit(inherited);
            if let Ok(ring) = ring.build() {
                let keys = ring.load();
                assert!(keys.sealing(ring.now()).is_some(), "a ring can seal");
                let bytes = ring.to_bytes();
                InheritedRing::parse(&bytes).expect("what is written can be read");
            }
        }
        1 => drop(InheritedState::parse(bytes)),
        kind => {
            let successor = successor();
            let _ = match kind {
                2 => successor.inherit_sessions(bytes),
                _ => successor.inherit_flights(bytes),
            };
            assert!(successor.cache().len() <= successor.cache().capacity());
        }
    }
});
