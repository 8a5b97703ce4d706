//! What is written of a set at some time, and what a format cannot express.

use std::sync::Arc;
use std::time::Duration;

use rekindle::tickets::{
    Fingerprint, KeyEntry, KeyLocation, KeyRole, TicketKey, TicketKeys, TicketRing, Validity,
};
use rekindle::{Clock, Time};
use rekindle_key_files::{TicketKeyFormat as Format, WriteError};

use crate::raw::hex;
use crate::{read, records};

const NOW: Duration = Duration::from_secs(1_700_000_000);
const DAY: u64 = 24 * 60 * 60;

/// Key number `n`, with a MAC secret of 16 bytes and for AES-128.
fn short(n: u8) -> TicketKey {
    sized(n, 16, 16)
}

fn sized(n: u8, mac: usize, aes: usize) -> TicketKey {
    TicketKey::new([n; 16], &secret(n, mac), &secret(n ^ 0x80, aes)).unwrap()
}

fn secret(n: u8, len: usize) -> Vec<u8> {
    records::secret(n.into(), len)
}

fn set(keys: impl IntoIterator<Item = (TicketKey, KeyRole)>) -> TicketKeys {
    let entries = keys.into_iter().enumerate();
    let entries = entries.map(|(i, (key, role))| KeyEntry::new(key, role, KeyLocation::record(i)));
    TicketKeys::new(entries.collect()).unwrap()
}

/// Seals from and until these seconds from now, and opens that much longer.
fn timed(from: i64, until: i64, longer: i64) -> KeyRole {
    let time = |seconds: i64| Duration::from_secs(NOW.as_secs().saturating_add_signed(seconds));
    KeyRole::Timed(Validity {
        seal_from: time(from),
        seal_until: time(until),
        open_until: time(until + longer),
    })
}

fn names(keys: &TicketKeys) -> Vec<u8> {
    keys.iter().map(|key| key.name()[0]).collect()
}

/// What is read of what is written.
fn through(format: Format, keys: &TicketKeys) -> TicketKeys {
    read(format, &format.write(keys, NOW).unwrap())
}

struct Fixed(Duration);

impl Clock for Fixed {
    fn now(&self) -> Time {
        Time::from_millis(1000 * DAY * 100)
    }

    fn unix_time(&self) -> Duration {
        self.0
    }
}

/// The keys that a ring has at some time: next, sealing, previous.
pub(crate) fn ring(
    keys: &TicketKeys,
    unix: Duration,
) -> (Vec<Fingerprint>, Fingerprint, Vec<Fingerprint>) {
    let builder = TicketRing::builder().clock(Arc::new(Fixed(unix)));
    let ring = builder.keys(keys).build().unwrap();
    let keys = ring.load();
    let sealing = keys.sealing(ring.now()).unwrap();
    assert!(!sealing.is_local(), "none of these seals");
    let sealing = sealing.key().fingerprint();
    let mut all: Vec<_> = keys.iter().map(|key| key.key().fingerprint()).collect();
    let place = all.iter().position(|key| *key == sealing).unwrap();
    let others = all.split_off(place + 1);
    all.pop();
    (all, sealing, others)
}

#[test]
fn records_hold_the_key_that_seals_and_then_those_to_come() {
    let keys = set([
        (short(9), KeyRole::Next),
        (short(8), KeyRole::Next),
        (short(7), KeyRole::Seal),
        (short(6), KeyRole::Open),
        (short(5), KeyRole::Seal),
    ]);
    for format in [Format::TrafficServer48, Format::Nginx48, Format::Apache48] {
        let written = through(format, &keys);
        // A second one to seal never does: it only opens.
        assert_eq!(names(&written), [7, 9, 8, 5, 6]);
    }
}

#[test]
fn times_decide_where_there_are_none_to_write() {
    let keys = set([
        (short(1), timed(-300, 0, 0)),
        (short(2), timed(-200, -100, 500)),
        (short(3), timed(-100, 100, 0)),
        (short(4), timed(0, 100, 0)),
        (short(5), timed(1, 100, 0)),
        (short(6), timed(500, 600, 0)),
        (short(7), timed(-50, -10, 1000)),
    ]);
    let written = names(&through(Format::TrafficServer48, &keys));
    assert_eq!(written, [4, 6, 5, 7, 3, 2]);
    let error = Format::Haproxy48.write(&keys, NOW).unwrap_err();
    assert_eq!(error, WriteError::NotOneNext { keys: 2 });
    let later = |seconds| NOW + Duration::from_secs(seconds);
    let written = Format::TrafficServer48.write(&keys, later(500)).unwrap();
    assert_eq!((written[0][0], written[0].len()), (6, 2 * 48));
    let written = Format::Nginx48.write(&keys, later(500)).unwrap();
    assert_eq!(
        [6, 7].map(|name| vec![name; 16]),
        [&written[0][..16], &written[1][..16]]
    );
    assert_eq!(written.len(), 2);
    let error = Format::H2o.write(&keys, later(600)).unwrap_err();
    assert_eq!(error, WriteError::NothingSeals);
    let error = Format::Nginx48.write(&keys, Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "no ticket key seals at this time");
}

#[test]
fn haproxy_has_the_oldest_first_and_the_next_one_last() {
    let keys = set([
        (short(9), timed(10, 20, 0)),
        (short(7), KeyRole::Open),
        (short(8), timed(-10, 10, 10)),
        (short(6), KeyRole::Open),
    ]);
    let text = Format::Haproxy48.write(&keys, NOW).unwrap().remove(0);
    let lines = text.split(|byte| *byte == b'\n');
    let firsts: Vec<_> = lines.map(|line| &line[..line.len().min(2)]).collect();
    // The first two digits of base64 for names of 6, 7, 8 and 9.
    assert_eq!(firsts, [&b"Bg"[..], b"Bw", b"CA", b"CQ", b""]);
    let keys = Format::Haproxy48.parse(&text).unwrap();
    assert_eq!(names(&keys), [9, 8, 7, 6]);
}

#[test]
fn haproxy_wants_three_keys_and_exactly_one_to_come() {
    let (next, seal, open) = (KeyRole::Next, KeyRole::Seal, KeyRole::Open);
    let error = |roles: &[KeyRole]| {
        let keys = roles.iter().zip(1..).map(|(role, n)| (short(n), *role));
        Format::Haproxy48.write(&set(keys), NOW).err()
    };
    let too_few = |keys| Some(WriteError::TooFew { keys, least: 3 });
    let not_one_next = |keys| Some(WriteError::NotOneNext { keys });
    assert_eq!(error(&[seal]), too_few(1));
    assert_eq!(error(&[next, seal]), too_few(2));
    assert_eq!(error(&[seal, open, open]), not_one_next(0));
    assert_eq!(error(&[next, next, seal]), not_one_next(2));
    assert_eq!(error(&[next, seal, open]), None);
    let shown = error(&[seal, open, open]).unwrap().to_string();
    let expected = "0 ticket keys are to seal next where it takes exactly one";
    assert_eq!(shown, expected);
}

#[test]
fn what_a_format_has_no_room_for_is_named() {
    for format in Format::ALL {
        let eighty = format.name().ends_with("80");
        let room = if eighty { 32 } else { 16 };
        let error = |(mac, aes)| {
            let key = sized(2, mac, aes);
            let fingerprint = key.fingerprint();
            let keys = set([
                (sized(1, room, room), KeyRole::Next),
                (key, KeyRole::Seal),
                (sized(3, room, room), KeyRole::Open),
            ]);
            let error = format.write(&keys, NOW).err()?;
            let shown = error.to_string();
            let named = format!("ticket key 2 ({fingerprint}) ");
            Some(shown.strip_prefix(&named).expect(&shown).to_owned())
        };
        let name = format.name();
        let mac = |len| {
            Some(format!(
                "has a MAC secret of {len} bytes: {name} has room for {room}"
            ))
        };
        let long = Some(format!("is for AES-256: {name} holds keys for AES-128"));
        let short = Some(format!("is for AES-128: {name} holds keys for AES-256"));
        let expected = match format {
            Format::H2o => [None, None, None, None, None, None],
            _ if eighty => [None, None, mac(64), short.clone(), short.clone(), short],
            _ => [long.clone(), long.clone(), long, None, mac(32), mac(64)],
        };
        let keys = [(16, 32), (32, 32), (64, 32), (16, 16), (32, 16), (64, 16)];
        assert_eq!(keys.map(error), expected, "{format}");
    }
}

#[test]
fn a_shorter_mac_secret_is_the_same_with_zeros_behind_it() {
    let key = sized(2, 16, 32);
    let fingerprint = key.fingerprint();
    let keys = set([(key, KeyRole::Seal)]);
    let file = &Format::Nginx80.write(&keys, NOW).unwrap()[0];
    assert_eq!(file[16..48], [&secret(2, 16)[..], &[0; 16]].concat());
    for format in [
        Format::Nginx80,
        Format::OpenSsl80,
        Format::Envoy80,
        Format::H2o,
    ] {
        let read = through(format, &keys);
        assert_eq!(read.iter().next().unwrap().fingerprint(), fingerprint);
    }
}

#[test]
fn h2o_is_written_as_h2o_writes_it() {
    let (mac, aes) = (secret(1, 32), secret(2, 32));
    let key = TicketKey::new([0xAB; 16], &mac, &aes).unwrap();
    let text = Format::H2o
        .write(&set([(key, KeyRole::Seal)]), NOW)
        .unwrap();
    let expected = format!(
        "- name: {}\n  cipher: AES-256-CBC\n  hash: SHA256\n  key: {}{}{}\n  \
         not_before: 1700000000\n  not_after: 1702592000\n",
        "ab".repeat(16),
        hex(&aes),
        hex(&mac),
        "00".repeat(32)
    );
    assert_eq!(String::from_utf8(text[0].to_vec()).unwrap(), expected);
}

/// `name: from..=until`, in seconds from now.
fn h2o_times(keys: &TicketKeys, now: Duration) -> Result<Vec<(u8, i64, i64)>, WriteError> {
    let text = String::from_utf8(Format::H2o.write(keys, now)?[0].to_vec()).unwrap();
    let values = |word: &'static str| {
        let lines = text.lines().map(|line| line[2..].split_once(": ").unwrap());
        lines
            .filter(move |(w, _)| *w == word)
            .map(|(_, value)| value)
    };
    let seconds = |word| {
        let seconds = values(word).map(|value| value.parse::<u64>().unwrap());
        seconds.map(|seconds| seconds.wrapping_sub(now.as_secs()) as i64)
    };
    let names = values("name").map(|name| u8::from_str_radix(&name[..2], 16).unwrap());
    let times = seconds("not_before").zip(seconds("not_after"));
    Ok(names
        .zip(times)
        .map(|(name, (from, until))| (name, from, until))
        .collect())
}

#[test]
fn keys_without_times_get_some_in_h2o() {
    let keys = set([
        (short(9), KeyRole::Next),
        (short(8), KeyRole::Next),
        (short(7), KeyRole::Seal),
        (short(6), KeyRole::Open),
        (short(5), KeyRole::Open),
    ]);
    let (turn, span) = (15 * DAY as i64, 30 * DAY as i64);
    let expected = vec![
        (9, 2 * turn, 2 * turn + span),
        (8, turn, turn + span),
        (7, 0, span),
        (6, -1, span),
        (5, -2, span),
    ];
    assert_eq!(h2o_times(&keys, NOW), Ok(expected));
    assert_eq!(ring(&through(Format::H2o, &keys), NOW), ring(&keys, NOW));
}

#[test]
fn times_of_their_own_are_kept_in_h2o_unless_another_key_would_seal() {
    let keys = set([
        (short(1), timed(-300, 0, 0)),
        (short(3), timed(-100, 100, 0)),
        (short(4), timed(-100, 100, 0)),
        (short(5), timed(10, 100, 7)),
        (short(6), timed(10, 100, 0)),
        (short(7), timed(-50, -10, 1000)),
        (short(8), KeyRole::Open),
    ]);
    let expected = vec![
        (5, 10, 106),
        (6, 10, 99),
        (3, -100, 99),
        // It has begun after the one that seals, and has ended.
        (7, -101, 989),
        // Two of the same time: the name decides in h2o, and decides otherwise.
        (4, -102, 99),
        (8, -103, 30 * DAY as i64),
    ];
    assert_eq!(h2o_times(&keys, NOW), Ok(expected));
}

#[test]
fn a_key_without_times_takes_over_later_than_now_in_h2o() {
    let long_ago = -(100 * DAY as i64);
    let keys = set([
        (short(2), KeyRole::Next),
        (short(1), timed(long_ago, 1000, 0)),
    ]);
    let turn = 15 * DAY as i64;
    let expected = vec![(2, turn, turn + 30 * DAY as i64), (1, long_ago, 999)];
    assert_eq!(h2o_times(&keys, NOW), Ok(expected));
}

#[test]
fn a_key_that_ends_before_it_seals_only_opens() {
    let keys = set([
        (short(1), timed(100, 100, 100)),
        (short(2), timed(100, 200, -150)),
        (short(3), timed(-100, 100, -50)),
        (short(4), timed(-200, 100, -150)),
    ]);
    let expected = vec![(3, -100, 49), (1, -101, 199), (2, -102, 49)];
    assert_eq!(h2o_times(&keys, NOW), Ok(expected));
    let error = Format::H2o.write(&set([(short(1), timed(-10, 100, -100))]), NOW);
    assert_eq!(error.unwrap_err(), WriteError::NothingSeals);
}

#[test]
fn h2o_keeps_to_whole_seconds_between_1970_and_the_end_of_time() {
    let duration = |seconds: f64| NOW + Duration::from_secs_f64(seconds);
    let valid = |from, until| {
        KeyRole::Timed(Validity {
            seal_from: duration(from),
            seal_until: duration(until),
            open_until: duration(until),
        })
    };
    let keys = set([
        (short(1), valid(0.25, 9.5)),
        (short(2), valid(0.75, 9.0)),
        (short(3), valid(0.875, 0.9375)),
    ]);
    let now = duration(0.5);
    let expected = vec![(3, 2, 2), (2, 1, 8), (1, 0, 9)];
    assert_eq!(h2o_times(&keys, now), Ok(expected));

    // The second before 1970, and the one after the last.
    let fingerprint = short(2).fingerprint();
    let no_second = WriteError::NoSecond {
        index: 1,
        fingerprint,
    };
    let keys = set([(short(1), KeyRole::Seal), (short(2), KeyRole::Open)]);
    assert_eq!(h2o_times(&keys, Duration::ZERO), Err(no_second));
    let keys = set([(short(1), KeyRole::Seal), (short(2), KeyRole::Next)]);
    assert_eq!(h2o_times(&keys, Duration::MAX), Err(no_second));
    let shown = no_second.to_string();
    let named = format!("ticket key 2 ({fingerprint}) ");
    assert!(shown.starts_with(&named), "{shown}");
    let (name, key) = ("2".repeat(32), hex(&secret(1, 16 + 64)));
    let text = format!(
        "- name: {name}\n  cipher: AES-128-CBC\n  hash: SHA256\n  key: {key}\n  \
         not_before: 0\n  not_after: {}\n",
        u64::MAX
    );
    let keys = Format::H2o.parse(text.as_bytes()).unwrap();
    for now in [Duration::ZERO, NOW, Duration::from_secs(u64::MAX)] {
        assert_eq!(
            Format::H2o.write(&keys, now).unwrap()[0][..],
            *text.as_bytes()
        );
    }
}
