//! What one machine has made, the others resume; what one has ended, they do not.

use rekindle_fleet::MemoryStore;

use crate::common::{Client, Mechanism};
use crate::host::Host;
use crate::servers::Server;

/// Over a store in memory, and over a real one.
fn with_stores(test: impl Fn(&dyn Fn(Mechanism) -> Host)) {
    let memory = MemoryStore::new();
    test(&|kind| Host::new(kind, memory.clone()));
    let server = Server::start();
    test(&|kind| Host::new(kind, server.store()));
}

#[test]
fn a_session_of_one_machine_resumes_on_all() {
    with_stores(|host| {
        for kind in Mechanism::STATEFUL {
            let [a, b, c] = [(); 3].map(|()| host(kind));
            let client = Client::new(kind);
            let given = a.connect(&client);
            for other in [&b, &c] {
                other.waits_for(&given);
                let connection = client.offer(&other.server, &given.session);
                assert!(connection.resumed(), "{kind:?}");
                assert_eq!(connection.resumed_by(), Some(kind.resumed_by()));
            }
            assert!(b.fleet.stats().replicated > 0);
            assert_eq!(b.fleet.stats().refused_forged, 0);
        }
    });
}
