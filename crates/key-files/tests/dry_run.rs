//! What is said of a set of ticket keys before it is put in place.

#[path = "../../../tests/common/records.rs"]
mod records;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rekindle::{Clock, ManualClock, Time};

use rekindle::tickets::{
    Fingerprint, KeyEntry, KeyLocation, KeyRole, TicketKey, TicketKeys, TicketPolicy, TicketRing,
    Validity,
};
use rekindle_key_files::{KeyCheck, KeyFileContent, TicketKeyFormat, Warning, parse_secret};

const HOUR: u64 = 3_600;
const NOW: u64 = 1_000_000_000;

/// A secret but for its first byte.
const SECRET: &str = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327a";

const CHECK: KeyCheck = KeyCheck {
    now: Duration::from_secs(NOW),
    lifetime: Duration::from_secs(2 * HOUR),
    period: Duration::from_secs(HOUR),
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A key of which only the number differs.
fn key(number: u8) -> TicketKey {
    let secrets = records::secret(number.into(), 32);
    TicketKey::new([number; 16], &secrets[..16], &secrets[16..]).expect("a good key")
}

fn fingerprint(number: u8) -> Fingerprint {
    key(number).fingerprint()
}

fn dropped(number: u8, left: u64) -> Warning {
    let (key, left) = (fingerprint(number), seconds(left));
    Warning::Dropped { key, left }
}

fn cut_short(number: u8, by: u64) -> Warning {
    let (key, by) = (fingerprint(number), seconds(by));
    Warning::CutShort { key, by }
}

fn set(keys: &[(u8, KeyRole)]) -> KeyFileContent {
    KeyFileContent::Keys(ticket_keys(keys))
}

fn ticket_keys(keys: &[(u8, KeyRole)]) -> TicketKeys {
    let entries = keys.iter().enumerate();
    let entries = entries
        .map(|(i, (number, role))| KeyEntry::new(key(*number), *role, KeyLocation::record(i)));
    TicketKeys::new(entries.collect()).expect("a good set")
}

/// As h2o has it: seconds from now on.
fn valid(from: i64, until: i64) -> KeyRole {
    let at = |offset: i64| seconds(NOW.checked_add_signed(offset).expect("a time"));
    KeyRole::Timed(Validity {
        seal_from: at(from),
        seal_until: at(until),
        open_until: at(until),
    })
}

fn dry_run(new: &KeyFileContent, old: Option<&KeyFileContent>) -> Vec<Warning> {
    CHECK.dry_run(new, old).expect("both can be judged")
}

fn words(new: &KeyFileContent, old: &KeyFileContent) -> Vec<&'static str> {
    dry_run(new, Some(old)).iter().map(Warning::word).collect()
}

#[test]
fn nothing_is_said_of_a_rotation_in_two_steps() {
    let steps = [
        set(&[(1, KeyRole::Seal), (9, KeyRole::Open)]),
        set(&[(1, KeyRole::Seal), (9, KeyRole::Open), (2, KeyRole::Open)]),
        set(&[(2, KeyRole::Seal), (1, KeyRole::Open), (9, KeyRole::Open)]),
    ];
    assert_eq!(dry_run(&steps[0], None), []);
    for step in steps.windows(2) {
        assert_eq!(dry_run(&step[1], Some(&step[0])), []);
    }
    let next = set(&[
        (3, KeyRole::Next),
        (2, KeyRole::Seal),
        (1, KeyRole::Open),
        (9, KeyRole::Open),
    ]);
    assert_eq!(dry_run(&next, Some(&steps[2])), []);
}

#[test]
fn a_key_that_seals_before_others_open_it() {
    let old = set(&[(1, KeyRole::Seal)]);
    let new = set(&[(2, KeyRole::Seal), (1, KeyRole::Open)]);
    let key = fingerprint(2);
    assert_eq!(dry_run(&new, Some(&old)), [Warning::NotDistributed { key }]);
}

#[test]
fn keys_that_are_gone_while_their_tickets_live() {
    let old = set(&[(3, KeyRole::Next), (1, KeyRole::Seal), (2, KeyRole::Open)]);
    let new = set(&[(1, KeyRole::Seal)]);
    // The next one has sealed nothing.
    assert_eq!(dry_run(&new, Some(&old)), [dropped(2, 2 * HOUR)]);
    let new = set(&[(3, KeyRole::Seal)]);
    let both = [dropped(1, 2 * HOUR), dropped(2, 2 * HOUR)];
    assert_eq!(dry_run(&new, Some(&old)), both);
    // Behind another key that seals, the second one may have sealed until now.
    let old = set(&[(1, KeyRole::Seal), (2, KeyRole::Seal)]);
    let new = set(&[(1, KeyRole::Seal)]);
    assert_eq!(dry_run(&new, Some(&old)), [dropped(2, 2 * HOUR)]);
}

#[test]
fn a_key_whose_tickets_have_ended_may_go() {
    // The second one was taken over from an hour ago, the third one more than a lifetime ago.
    let [first, second] = [-3_600, -7_200];
    let old = set(&[
        (1, valid(first, 90_000)),
        (2, valid(second, 90_000)),
        (3, valid(-90_000, 90_000)),
    ]);
    let new = set(&[(1, valid(first, 90_000))]);
    assert_eq!(dry_run(&new, Some(&old)), [dropped(2, HOUR)]);
}

#[test]
fn times_in_which_nothing_seals() {
    let gap = |after, lasts: Option<u64>| Warning::NothingSeals {
        after: seconds(after),
        lasts: lasts.map(seconds),
    };
    let far = 90_000;
    let begins_later = set(&[(1, valid(60, far))]);
    assert_eq!(dry_run(&begins_later, None), [gap(0, Some(60))]);
    assert_eq!(dry_run(&set(&[(1, valid(-60, 0))]), None), [gap(0, None)]);
    let later = [(1, valid(-60, 600)), (2, valid(900, far))];
    let expected = [gap(600, Some(300)), cut_short(1, 2 * HOUR)];
    assert_eq!(dry_run(&set(&later), None), expected);
    // An hour is all that was asked for.
    let in_time = [(1, valid(-60, 3 * 3_600))];
    assert_eq!(dry_run(&set(&in_time), None), []);
}

#[test]
fn keys_that_end_before_their_tickets() {
    // Taken over from in ten minutes, and open for an hour after that where tickets live for two.
    let new = set(&[(1, valid(-60, 600 + 3_600)), (2, valid(600, 90_000))]);
    assert_eq!(dry_run(&new, None), [cut_short(1, HOUR)]);
    // It has sealed for a long time, and now it is to end sooner than its last tickets.
    let old = set(&[(1, valid(-9_000, 90_000)), (2, valid(600, 90_000))]);
    let new = set(&[(1, valid(-9_000, 3_600)), (2, valid(0, 90_000))]);
    assert_eq!(dry_run(&new, Some(&old)), [cut_short(1, HOUR)]);
}

#[test]
fn a_secret_goes_on_from_itself_and_breaks_with_another() {
    let secret = |byte: &str| {
        let text = format!("secret {byte}{SECRET}\nperiod 3600\n");
        parse_secret(text.as_bytes()).expect("a good secret").secret
    };
    let [ours, other] = ["01", "02"].map(|byte| KeyFileContent::Secret(secret(byte).into()));
    assert_eq!(dry_run(&ours, None), []);
    assert_eq!(dry_run(&ours, Some(&ours)), []);
    // The period that now lies in, and the two before it within a lifetime.
    let expected = ["dropped", "dropped", "dropped", "not-distributed"];
    assert_eq!(words(&other, &ours), expected);
    // As a file for servers that cannot derive: what is in force stays so.
    let exported = secret("01").keys_around(CHECK.now, CHECK.lifetime);
    let file = TicketKeyFormat::H2o.write(&exported.expect("keys"), CHECK.now);
    let file = TicketKeyFormat::H2o.parse(&file.expect("it can be written")[0]);
    let file = KeyFileContent::Keys(file.expect("keys"));
    assert_eq!(dry_run(&file, Some(&ours)), []);
}

#[test]
fn a_ratchet_that_has_gone_past_keys_in_force() {
    let text = format!("secret 01{SECRET}\nperiod 3600\nratchet 277000\n");
    let secret = parse_secret(text.as_bytes()).expect("a good secret").secret;
    let current = secret.index(CHECK.now);
    let ratcheted =
        |index| KeyFileContent::Secret(secret.ratcheted(index).expect("it goes forward").into());
    let old = KeyFileContent::Secret(secret.clone().into());
    let needed = secret.oldest_open(CHECK.now, CHECK.lifetime);
    assert_eq!(dry_run(&ratcheted(needed), Some(&old)), []);
    assert_eq!(words(&ratcheted(current), &old), ["dropped", "dropped"]);
    assert!(CHECK.dry_run(&ratcheted(current + 1), None).is_err());
}

/// Monotonic and wall clock that go together, the latter from `NOW` on.
struct Together {
    clock: ManualClock,
    start: Time,
}

impl Clock for Together {
    fn now(&self) -> Time {
        self.clock.now()
    }
    fn unix_time(&self) -> Duration {
        seconds(NOW) + self.now().duration_since(self.start)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Sets of keys with times in minutes: the ring has no key of the set that seals exactly in the
    /// gaps of which the dry run warns, and drops the keys of which it warns.
    #[test]
    fn the_ring_does_what_the_dry_run_says(
        spans in prop::collection::vec((0..60_i64, 0..60_i64, 0..90_i64), 1..5)
    ) {
        let role = |(from, seals, opens): (i64, i64, i64)| {
            let minutes = |minutes: i64| seconds(NOW + 60 * minutes as u64);
            KeyRole::Timed(Validity {
                seal_from: minutes(from),
                seal_until: minutes(from + seals),
                open_until: minutes(from + seals + opens),
            })
        };
        let roles: Vec<_> = (1..).zip(spans.into_iter().map(role)).collect();
        let (old, new) = (set(&roles), [(50, KeyRole::Seal)]);
        let warnings = KeyCheck { period: seconds(4 * HOUR), ..CHECK }.dry_run(&old, None);
        let is_gap = |minute: u64| warnings.as_ref().expect("keys").iter().any(|w| match w {
            Warning::NothingSeals { after, lasts } => {
                let since = seconds(60 * minute).checked_sub(*after);
                since.is_some_and(|since| lasts.is_none_or(|lasts| since < lasts))
            }
            _ => false,
        });
        let clock = ManualClock::new();
        let clock = Arc::new(Together { start: clock.now(), clock });
        let policy = TicketPolicy::default().lifetime(CHECK.lifetime);
        let builder = TicketRing::builder().clock(clock.clone()).policy(policy);
        let ring = builder.keys(&ticket_keys(&roles)).build().expect("a ring");
        for minute in 0..150 {
            ring.maintain().expect("randomness");
            prop_assert_eq!(ring.status().fallback, is_gap(minute), "minute {}", minute);
            clock.clock.advance(seconds(60));
        }
        let later = KeyCheck { now: clock.unix_time(), ..CHECK };
        let warnings = later.dry_run(&set(&new), Some(&old)).expect("keys");
        let dropped = warnings.iter().filter(|w| matches!(w, Warning::Dropped { .. })).count();
        prop_assert_eq!(ring.replace(&ticket_keys(&new)).expect("keys").dropped, dropped);
    }
}
