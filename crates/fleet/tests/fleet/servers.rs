//! Real servers.

use rekindle_fleet::RedisStore;
pub(crate) use rekindle_test_servers::RedisServer;

pub(crate) fn store_of(server: &RedisServer) -> RedisStore {
    RedisStore::new(&server.url()).expect("an address")
}

/// Whether there is no server to test with.
pub(crate) fn is_skipped() -> bool {
    !RedisServer::is_installed("tests of the fleet with a real store")
}
