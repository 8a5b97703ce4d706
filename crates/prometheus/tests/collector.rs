//! The collector as an embedder has it: in a registry of its own, beside a server that resumes.

mod common;

use std::time::Duration;

use common::{are_documented, scrape};
use prometheus_client::registry::Registry;
use rekindle::SessionId;
use rekindle::openssl::Resumption;
use rekindle_prometheus::ResumptionCollector;

/// The value of a series, written as in the text.
#[track_caller]
fn value<'a>(scrape: &'a str, series: &str) -> &'a str {
    let of_series = |line: &'a str| line.strip_prefix(series)?.strip_prefix(' ');
    let value = scrape.lines().find_map(of_series);
    value.unwrap_or_else(|| panic!("{series} is not in:\n{scrape}"))
}

#[test]
fn each_scrape_says_what_the_resumption_has_counted() {
    let builder = Resumption::builder().sessions(1_000);
    let resumption = builder.session_timeout(Duration::from_secs(600)).build();
    let resumption = resumption.expect("a resumption");
    let mut registry = Registry::with_prefix("edge");
    registry.register_collector(Box::new(ResumptionCollector::new(resumption.clone())));

    let before = scrape(&registry);
    assert_eq!(value(&before, "edge_cache_capacity"), "1000");
    assert_eq!(
        value(&before, r#"edge_cache_lookups_total{result="miss"}"#),
        "0"
    );
    assert_eq!(value(&before, r#"edge_tickets_total{event="sealed"}"#), "0");
    assert_eq!(
        value(&before, r#"edge_ticket_key_source{source="local"}"#),
        "1"
    );
    assert_eq!(value(&before, "edge_ticket_keys"), "2");
    assert_eq!(value(&before, "edge_ticket_key_fallback"), "0");
    assert_eq!(value(&before, "edge_ticket_age_seconds_count"), "0");

    let id = SessionId::new(b"a session of no client").expect("a short id");
    assert!(resumption.cache().get(&id).is_none());
    let after = scrape(&registry);
    assert_eq!(
        value(&after, r#"edge_cache_lookups_total{result="miss"}"#),
        "1"
    );
}

#[test]
fn the_text_holds_no_name_of_a_key() {
    let resumption = Resumption::builder().build().expect("a resumption");
    let mut registry = Registry::default();
    registry.register_collector(Box::new(ResumptionCollector::new(resumption.clone())));
    let text = scrape(&registry);
    let ring = resumption.ticket_ring().load();
    for key in ring.iter() {
        assert!(text.contains(&key.key().fingerprint().to_string()));
        let name = key.key().name().map(|byte| format!("{byte:02x}")).concat();
        assert!(!text.contains(&name[..16]));
    }
}

#[test]
fn every_family_is_in_the_table_of_the_documentation() {
    let resumption = Resumption::builder().build().expect("a resumption");
    let mut registry = Registry::default();
    registry.register_collector(Box::new(ResumptionCollector::new(resumption)));
    are_documented(&registry, "", 27);
}
