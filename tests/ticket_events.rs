//! What the feature `tracing` says of the ring of ticket keys.
#![allow(clippy::disallowed_types)] // a test may take a lock

#[path = "common/records.rs"]
mod records;

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use records::record;
use rekindle::ManualClock;
use rekindle::tickets::{TicketKeys, TicketPolicy, TicketRing};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber, subscriber};

/// Takes down each event in a line: its level, then its fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// The lines since the last call, which must be `N`.
    fn take<const N: usize>(&self) -> [String; N] {
        let lines = std::mem::take(&mut *self.0.lock().expect("no panic"));
        lines.try_into().expect("as many events as expected")
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a String takes all");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("rekindle::tickets")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().expect("no panic").push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn rotations_fallbacks_and_refusals_are_events_that_show_no_secret() {
    let lines = Lines::default();
    let is = |line: &str, level: Level, words: &str| {
        assert!(line.starts_with(level.as_str()), "{line}");
        assert!(line.contains(words), "{line}");
    };
    let hour = Duration::from_secs(3_600);
    subscriber::with_default(lines.clone(), || {
        let clock = Arc::new(ManualClock::new());
        let policy = TicketPolicy::default().max_age(3 * hour);
        let keys = |number| TicketKeys::parse(&record(number)).expect("a good record");
        let builder = TicketRing::builder().policy(policy).clock(clock.clone());
        let ring = builder.keys(&keys(1)).build().expect("a ring");
        let []: [String; 0] = lines.take();

        ring.replace(&keys(2)).expect("a good set");
        let in_force = ring.load();
        let sealing = in_force.sealing(ring.now()).expect("a key seals");
        let fingerprint = sealing.key().fingerprint();
        let [rotated] = &lines.take();
        is(rotated, Level::INFO, "another ticket key seals");
        assert!(rotated.contains(&fingerprint.to_string()));

        ring.update(&[0xA5; 48]).expect_err("a weak key");
        let [refused] = &lines.take();
        let why = "refused error=ticket key 1 has a secret that is one repeated byte";
        is(refused, Level::WARN, why);

        clock.advance(hour);
        ring.maintain().expect("randomness");
        let [rotated, fallback] = &lines.take();
        is(rotated, Level::INFO, "local=true");
        let why = "the keys that were given are too old; a key of this machine's own seals";
        is(fallback, Level::ERROR, why);

        ring.replace(&keys(3)).expect("a good set");
        let [rotated, ended] = &lines.take();
        is(rotated, Level::INFO, "local=false");
        is(ended, Level::INFO, "the provider's ticket keys seal again");
    });
}
