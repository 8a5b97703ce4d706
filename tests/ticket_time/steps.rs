//! Single steps of the wall clock, and ages. Each test is named after a mistake that was made.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use rekindle::Clock;
use rekindle::tickets::{
    KeyEntry, KeyRole, PolicyError, SecretError, TicketKeys, TicketPolicy, TicketRing, TicketSecret,
};
use rekindle_key_files::{Reload, TicketKeyFile, TicketKeyFormat};

use super::{
    DAY, EPOCH, HOUR, MINUTE, builder, clock, opens, opens_for, pass, policy, random_key, sealing,
    seconds, timed,
};

fn secret(period: u64, ratchet_from: Option<u64>) -> TicketSecret {
    TicketSecret::random(seconds(period), ratchet_from.map(seconds)).expect("randomness")
}

fn keys(keys: Vec<KeyEntry>) -> TicketKeys {
    TicketKeys::new(keys).expect("a good set")
}

fn default() -> TicketPolicy {
    TicketPolicy::default()
}

#[test]
fn a_derived_key_that_has_sealed_opens_after_a_step_back() {
    for (period, back) in [(HOUR, 3 * HOUR), (MINUTE, 5 * MINUTE)] {
        for ratchet in [None, Some(EPOCH - DAY)] {
            let clock = clock(DAY, EPOCH + 10);
            let secret = secret(period, ratchet);
            let ring = builder(&clock, default()).secret(&secret).build().unwrap();
            let name = sealing(&ring);
            clock.step(-(back as i64));
            ring.maintain().unwrap();
            assert!(opens(&ring, &name));
            pass(&ring, &clock, period + 60);
            assert!(opens(&ring, &name), "period {period}, {ratchet:?}");
            pass(&ring, &clock, 2 * HOUR - period - 61);
            assert!(opens(&ring, &name), "period {period}, {ratchet:?}");
        }
    }
}

#[test]
fn a_timed_key_stops_sealing_a_ticket_lifetime_before_its_greatest_age() {
    let clock = clock(DAY, EPOCH);
    let policy = policy(HOUR, 2 * HOUR, 10 * HOUR);
    let (seal_until, open_until) = (EPOCH + 100 * DAY, EPOCH + 200 * DAY);
    let given = keys(vec![timed(EPOCH - HOUR, seal_until, open_until)]);
    let ring = builder(&clock, policy).keys(&given).build().unwrap();
    let name = sealing(&ring);
    pass(&ring, &clock, 8 * HOUR - 1);
    assert_eq!(sealing(&ring), name);
    assert_eq!(opens_for(&ring, &name), 2 * HOUR + 1);
    pass(&ring, &clock, 1);
    assert_ne!(sealing(&ring), name);
    assert!(ring.status().fallback);
    pass(&ring, &clock, 2 * HOUR - 1);
    assert!(opens(&ring, &name));
    pass(&ring, &clock, 1);
    assert!(!opens(&ring, &name));
}

/// A ring whose keys are known by the wall clock cannot tell a glitch from the truth: it heals
/// when the file is read again. Two keys with times, one after the other, in h2o's format.
fn file_of_two(dir: &tempfile::TempDir) -> (TicketKeyFile, [[u8; 16]; 2]) {
    let path = dir.path().join("keys");
    let given = keys(vec![
        timed(EPOCH - HOUR, EPOCH + HOUR, EPOCH + 3 * HOUR),
        timed(EPOCH + HOUR, EPOCH + 20 * HOUR, EPOCH + 20 * HOUR),
    ]);
    let h2o = TicketKeyFormat::H2o;
    fs::write(&path, &h2o.write(&given, seconds(EPOCH)).unwrap()[0]).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let names = [0, 1].map(|i| *given.iter().nth(i).unwrap().name());
    (TicketKeyFile::keys(&path, h2o), names)
}

#[test]
fn timed_keys_outlive_a_glitch_of_days() {
    let dir = tempfile::TempDir::new().unwrap();
    let (mut file, [first, second]) = file_of_two(&dir);
    let clock = clock(DAY, EPOCH);
    let ring = file.open(builder(&clock, default())).unwrap();
    assert_eq!(sealing(&ring), first);
    clock.step(2 * DAY as i64);
    pass(&ring, &clock, 2);
    assert!(opens(&ring, &first) && opens(&ring, &second));
    clock.step(-(2 * DAY as i64));
    pass(&ring, &clock, 2);
    assert!(!ring.status().fallback);
    assert_eq!(sealing(&ring), first);
    pass(&ring, &clock, 3 * HOUR);
    assert!(!ring.status().fallback);
    assert_eq!(sealing(&ring), second);
}

#[test]
fn timed_keys_that_were_over_at_the_start_come_back_with_the_file() {
    let dir = tempfile::TempDir::new().unwrap();
    let (mut file, [first, _]) = file_of_two(&dir);
    let clock = clock(DAY, EPOCH + 365 * DAY);
    let ring = file.open(builder(&clock, default())).unwrap();
    assert!(ring.status().fallback);
    let own = sealing(&ring);
    clock.step(-(365 * DAY as i64));
    pass(&ring, &clock, 2);
    assert!(matches!(file.reload(&ring), Ok(Reload::Updated(_))));
    assert!(!ring.status().fallback);
    assert_eq!(sealing(&ring), first);
    // Tickets that were sealed meanwhile open.
    assert_eq!(opens_for(&ring, &own), 2 * HOUR);
}

#[test]
fn the_greatest_age_is_not_forgotten_behind_keys_of_a_fallback() {
    let clock = clock(DAY, EPOCH);
    let given = keys(vec![random_key(KeyRole::Seal, 0)]);
    let builder = builder(&clock, policy(HOUR, 2 * HOUR, 3 * HOUR));
    let ring = builder.keys(&given).build().unwrap();
    for _ in 0..135 * 60 {
        clock.pass(seconds(60));
        ring.maintain().unwrap();
    }
    assert!(ring.replace(&given).unwrap().fallback);
}

#[test]
fn the_greatest_age_is_not_forgotten_where_there_are_many_keys() {
    let clock = clock(DAY, EPOCH);
    let role = |n| if n == 0 { KeyRole::Seal } else { KeyRole::Open };
    let given = keys((0..70).map(|n| random_key(role(n), n)).collect());
    let builder = builder(&clock, policy(HOUR, 2 * HOUR, 3 * HOUR));
    let ring = builder.keys(&given).build().unwrap();
    pass(&ring, &clock, 3 * HOUR + 10);
    assert!(ring.status().fallback);
    for _ in 0..3 {
        pass(&ring, &clock, 10);
        assert!(ring.replace(&given).unwrap().fallback);
        assert!(ring.load().iter().all(|key| key.is_local()));
    }
}

#[test]
fn clocks_a_minute_apart_agree_whatever_the_period() {
    let a_minute = [10, 25, 45, 59, 60, 61, 600, 3_600].map(|period| (period, 60));
    let less = [(10, 30), (25, 30), (45, 30), (59, 30), (60, 59)];
    for (period, skew) in a_minute.into_iter().chain(less) {
        let secret = secret(period, None);
        let machine = |unix| {
            let clock = clock(DAY, unix);
            let ring = builder(&clock, default()).secret(&secret).build().unwrap();
            (clock, ring)
        };
        let ((a, ahead), (b, behind)) = (machine(EPOCH + skew), machine(EPOCH));
        for second in 0..(3 * period + 130).min(4_000) {
            let what = format!("period {period}, {skew} s apart, after {second} s");
            assert!(opens(&behind, &sealing(&ahead)), "{what}: not known yet");
            assert!(opens(&ahead, &sealing(&behind)), "{what}: no more");
            for (clock, ring) in [(&a, &ahead), (&b, &behind)] {
                clock.pass(seconds(1));
                ring.maintain().unwrap();
            }
        }
    }
}

#[test]
fn a_reload_after_a_step_forward_keeps_what_is_owed() {
    let clock = clock(DAY, EPOCH);
    let key = timed(EPOCH - HOUR, EPOCH + HOUR, EPOCH + 3 * HOUR);
    let given = keys(vec![key.clone()]);
    let ring = builder(&clock, default()).keys(&given).build().unwrap();
    let name = sealing(&ring);
    clock.step(DAY as i64);
    pass(&ring, &clock, 2);
    assert!(opens(&ring, &name));
    let next = timed(EPOCH + DAY, EPOCH + 2 * DAY, EPOCH + 3 * DAY);
    ring.replace(&keys(vec![key, next])).unwrap();
    assert_eq!(opens_for(&ring, &name), 3 * HOUR - 2);
}

/// With maintenance in between and without.
#[test]
fn the_same_secret_after_a_step_keeps_what_is_owed() {
    let steps = [HOUR, 3 * HOUR, 3 * DAY].map(|step| step as i64);
    for step in steps.into_iter().flat_map(|step| [step, -step]) {
        for (ratchet, maintained) in [(None, true), (None, false), (Some(EPOCH - 9 * DAY), false)] {
            let clock = clock(9 * DAY, EPOCH + 1_800);
            let secret = secret(HOUR, ratchet);
            let ring = builder(&clock, default()).secret(&secret).build().unwrap();
            let name = sealing(&ring);
            clock.step(step);
            if maintained {
                ring.maintain().unwrap();
            }
            ring.derive_from(&secret).unwrap();
            let current = secret.key(secret.index(clock.unix_time())).unwrap();
            assert_eq!(sealing(&ring), *current.name(), "step {step}");
            pass(&ring, &clock, 2 * HOUR - 1);
            let what = (step, ratchet, maintained);
            assert!(opens(&ring, &name), "{what:?}");
        }
    }
}

#[test]
fn keys_that_would_get_too_old_are_refused() {
    let clock = clock(DAY, EPOCH);
    let long = secret(30 * DAY, None);
    let of_a_day = policy(HOUR, 2 * HOUR, DAY);
    let ring = builder(&clock, of_a_day).secret(&long).build();
    assert_eq!(ring.unwrap_err(), SecretError::MaxAge.into());
    let ring = builder(&clock, of_a_day).own_keys().build().unwrap();
    assert_eq!(ring.derive_from(&long).unwrap_err(), SecretError::MaxAge);
    let refused = TicketRing::builder().policy(of_a_day.period(seconds(30 * DAY)));
    let max_age = PolicyError::MaxAge(seconds(DAY));
    assert_eq!(refused.build().unwrap_err(), max_age.into());
}

#[test]
fn of_keys_that_began_before_the_clock_did_the_newest_seals() {
    for up in [600, DAY] {
        let clock = clock(up, EPOCH);
        let [older, newer] = [3, 1].map(|h| timed(EPOCH - h * HOUR, EPOCH + DAY, EPOCH + DAY));
        let newest = *newer.key().name();
        let ring = builder(&clock, default());
        let ring = ring.keys(&keys(vec![older, newer])).build().unwrap();
        assert_eq!(sealing(&ring), newest, "up for {up} s");
    }
}

/// The adapter tells clients no more than a ticket lifetime; so much is left once the provider is
/// back.
#[test]
fn the_end_of_a_fallback_cuts_no_ticket_short() {
    let clock = clock(DAY, EPOCH);
    let policy = policy(10 * HOUR, HOUR, 11 * HOUR);
    let random = || keys(vec![random_key(KeyRole::Seal, 0)]);
    let ring = builder(&clock, policy).keys(&random()).build().unwrap();
    pass(&ring, &clock, 10 * HOUR + 60);
    assert!(ring.status().fallback);
    let own = sealing(&ring);
    ring.replace(&random()).unwrap();
    assert_eq!(opens_for(&ring, &own), HOUR);
}
