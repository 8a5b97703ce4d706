//! The collector of a server on rustls, in a registry of the embedder's.

mod common;

use common::scrape;
use prometheus_client::registry::Registry;
use rekindle::rustls::{Resumption, Scope};
use rekindle_prometheus::RustlsCollector;
use rustls::server::{ProducesTickets, StoresServerSessions};

#[test]
fn each_scrape_says_what_rustls_has_asked() {
    let resumption = Resumption::builder().sessions(1_000).build().unwrap();
    let mut registry = Registry::with_prefix("edge");
    registry.register_collector(Box::new(RustlsCollector::new(resumption.clone())));

    let scope = Scope::new("shop.example");
    let (store, ticketer) = (resumption.store(&scope), resumption.ticketer(&scope));
    assert!(store.put(b"id".to_vec(), b"value".to_vec()));
    assert!(store.get(&[1; 33]).is_none());
    assert!(store.take(b"id").is_some());
    assert!(store.take(b"id").is_none());
    let ticket = ticketer.encrypt(b"value").unwrap();
    assert!(ticketer.decrypt(&ticket).is_some());

    let scrape = scrape(&registry);
    for line in [
        "edge_cache_capacity 1000",
        r#"edge_store_calls_total{result="stored"} 1"#,
        r#"edge_store_calls_total{result="hits"} 1"#,
        r#"edge_store_calls_total{result="taken"} 1"#,
        r#"edge_store_calls_total{result="misses"} 1"#,
        r#"edge_store_calls_total{result="invalid_keys"} 1"#,
        r#"edge_tickets_total{event="opened"} 1"#,
        "edge_ticket_keys 2",
    ] {
        assert!(
            scrape.lines().any(|l| l == line),
            "{line} is not in:\n{scrape}"
        );
    }
}
