//! Keys in h2o's format.

use std::io::Write as _;
use std::time::Duration;

use zeroize::Zeroizing;

use rekindle::tickets::TicketCipher;

use super::yaml::MAC_SECRET;
use crate::by_position::{ByPosition, Entry};
use crate::write_error::WriteError;

/// How long a key without times is valid, from now or when it begins to seal, in seconds.
const SPAN: u64 = 30 * 24 * 60 * 60;

/// When a key without times takes over from the key before it, in seconds after that one.
const TURN: u64 = SPAN / 2;

/// The most bytes of a key's lines: their words take less than a hundred, two numbers forty.
const ROOM: usize = 256 + 2 * (16 + TicketCipher::Aes256.key_len() + MAC_SECRET);

/// A key and its times, in seconds since 1970.
struct TimedKey<'a> {
    entry: Entry<'a>,
    not_before: u64,
    not_after: u64,
}

pub(crate) fn write(
    keys: &ByPosition<'_>,
    now: Duration,
) -> Result<Zeroizing<Vec<u8>>, WriteError> {
    let timed = with_times(keys, now.as_secs())?;
    // Room for all at once: growing would leave copies of the keys behind.
    let mut text = Zeroizing::new(Vec::with_capacity(timed.len() * ROOM));
    timed.iter().for_each(|key| key.write(&mut text));
    debug_assert!(text.len() <= timed.len() * ROOM);
    Ok(text)
}

/// Times by which h2o seals with the same key at `now`, and takes the others in the same order.
/// Keys keep times of their own where possible.
fn with_times<'a>(keys: &ByPosition<'a>, now: u64) -> Result<Vec<TimedKey<'a>>, WriteError> {
    let begins = keys.sealing.validity;
    let begins = begins.map_or(now, |validity| validity.seal_from.as_secs());
    let mut timed = vec![TimedKey::new(keys.sealing, begins, now)];
    for entry in &keys.previous {
        let newer = timed.last().expect("at least the sealing one");
        timed.push(newer.before(*entry, now)?);
    }
    // From the newest that has begun to the last that will.
    timed.reverse();
    for entry in keys.next.iter().rev() {
        let older = timed.last().expect("at least the sealing one");
        timed.push(older.then(*entry, now)?);
    }
    timed.reverse();
    Ok(timed)
}

impl<'a> TimedKey<'a> {
    fn new(entry: Entry<'a>, not_before: u64, now: u64) -> Self {
        let not_after = match entry.validity {
            Some(validity) => last_second(validity.open_until).max(not_before),
            None => not_before.max(now).saturating_add(SPAN),
        };
        Self {
            entry,
            not_before,
            not_after,
        }
    }

    /// An older key.
    fn before<'b>(&self, entry: Entry<'b>, now: u64) -> Result<TimedKey<'b>, WriteError> {
        let own = entry.validity.map(|validity| validity.seal_from.as_secs());
        if let Some(own) = own {
            let key = TimedKey::new(entry, own, now);
            if self.outranks(&key) {
                return Ok(key);
            }
        }
        let not_before = self.not_before.checked_sub(1);
        Ok(TimedKey::new(
            entry,
            not_before.ok_or(no_second(entry))?,
            now,
        ))
    }

    /// A newer key, which has not begun.
    fn then<'b>(&self, entry: Entry<'b>, now: u64) -> Result<TimedKey<'b>, WriteError> {
        let own = match entry.validity {
            Some(validity) => first_second(validity.seal_from),
            None => self.not_before.max(now).checked_add(TURN),
        };
        let key = TimedKey::new(entry, own.ok_or(no_second(entry))?, now);
        if key.outranks(self) {
            return Ok(key);
        }
        let not_before = self.not_before.checked_add(1);
        Ok(TimedKey::new(
            entry,
            not_before.ok_or(no_second(entry))?,
            now,
        ))
    }

    /// Whether h2o takes it before the other one, once both have begun.
    fn outranks(&self, other: &TimedKey<'_>) -> bool {
        let (newer, older) = (self.not_before, other.not_before);
        newer > older || newer == older && self.entry.key.name() < other.entry.key.name()
    }

    fn write(&self, text: &mut Vec<u8>) {
        let key = self.entry.key;
        text.extend(b"- name: ");
        push_digits(text, key.name());
        let between = format!("\n  cipher: {}-CBC\n  hash: SHA256\n  key: ", key.cipher());
        text.extend(between.as_bytes());
        push_digits(text, key.aes_key());
        push_digits(text, key.hmac_secret());
        // As HMAC pads it.
        let padding = 2 * (MAC_SECRET - key.hmac_secret().len());
        text.resize(text.len() + padding, b'0');
        let (from, until) = (self.not_before, self.not_after);
        writeln!(text, "\n  not_before: {from}\n  not_after: {until}").expect("a Vec takes all");
    }
}

fn push_digits(text: &mut Vec<u8>, bytes: &[u8]) {
    let start = text.len();
    text.resize(start + 2 * bytes.len(), 0);
    base16ct::lower::encode(bytes, &mut text[start..]).expect("two digits for each byte");
}

/// The first second that begins at this time or after it.
fn first_second(time: Duration) -> Option<u64> {
    time.as_secs()
        .checked_add(u64::from(time.subsec_nanos() > 0))
}

/// The last second that begins before this time.
fn last_second(end: Duration) -> u64 {
    let whole = end.subsec_nanos() == 0;
    end.as_secs().saturating_sub(whole.into())
}

fn no_second(entry: Entry<'_>) -> WriteError {
    WriteError::NoSecond {
        index: entry.index,
        fingerprint: entry.key.fingerprint(),
    }
}
