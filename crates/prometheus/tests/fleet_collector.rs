//! The collector of a fleet, as an embedder has it.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{are_documented, scrape};
use prometheus_client::registry::Registry;
use rekindle::openssl::Resumption;
use rekindle::tickets::TicketSecret;
use rekindle_fleet::{Fleet, MemoryStore};
use rekindle_prometheus::FleetCollector;
use rekindle_test_servers::eventually;

fn fleet() -> (Resumption, Arc<Fleet>, Registry) {
    let resumption = Resumption::builder().build().expect("a resumption");
    let secret = TicketSecret::random(Duration::from_secs(3_600), None).expect("a secret");
    let fleet = Fleet::builder(secret, MemoryStore::new()).start(resumption.clone());
    let fleet = Arc::new(fleet.expect("a fleet"));
    let mut registry = Registry::with_prefix("edge");
    registry.register_collector(Box::new(FleetCollector::new(Arc::clone(&fleet))));
    (resumption, fleet, registry)
}

#[test]
fn each_scrape_says_what_the_fleet_has_counted() {
    let (resumption, _fleet, registry) = fleet();
    let before = scrape(&registry);
    for series in [
        "edge_fleet_store_errors_total 0",
        "edge_fleet_tombstones 0",
        "edge_fleet_lag_seconds 0.0",
        r#"edge_fleet_published_total{what="session"} 0"#,
        r#"edge_fleet_received_total{what="announced"} 0"#,
        r#"edge_fleet_dropped_total{reason="store_full"} 0"#,
        r#"edge_fleet_refused_total{reason="forged"} 0"#,
        r#"edge_fleet_fetches_total{result="timeout"} 0"#,
    ] {
        assert!(
            before.lines().any(|line| line == series),
            "{series}: {before}"
        );
    }
    resumption.revoke_all();
    let told = |text: &str| {
        let ending = r#"edge_fleet_published_total{what="ending"} 1"#;
        let all = [ending, "edge_fleet_store_up 1", "edge_fleet_waiting 0"];
        all.iter()
            .all(|series| text.lines().any(|line| line == *series))
    };
    eventually("the revocation is told", || told(&scrape(&registry)));
}

#[test]
fn every_family_is_in_the_table_of_the_documentation() {
    let (_resumption, _fleet, registry) = fleet();
    are_documented(&registry, "edge_", 10);
}
