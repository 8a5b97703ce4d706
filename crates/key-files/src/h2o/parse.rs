//! Reading h2o's format.

use std::cmp::Reverse;
use std::time::Duration;

use zeroize::Zeroizing;

use rekindle::tickets::{
    KeyEntry, KeyLocation, KeyRole, TicketCipher, TicketKey, TicketKeyError, TicketKeys, Validity,
};

use super::yaml::{self, Item, MAC_SECRET, Value, Word};

/// In h2o's order: the newest first; of those that are equally new, by name.
pub(crate) fn parse(content: &[u8]) -> Result<TicketKeys, TicketKeyError> {
    let items = yaml::items(content)?;
    let keys = items.iter().enumerate().map(|(n, item)| entry(item, n));
    let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
    keys.sort_by_key(|(not_before, entry)| (Reverse(*not_before), *entry.key().name()));
    TicketKeys::new(keys.into_iter().map(|(_, entry)| entry).collect())
}

fn entry(item: &Item<'_>, record: usize) -> Result<(u64, KeyEntry), TicketKeyError> {
    let at = KeyLocation::line(record, item.line);
    let key = key(item, at)?;
    let not_before = number(item.value(Word::NotBefore)?)?;
    let end = item.value(Word::NotAfter)?;
    let not_after = number(end)?;
    if not_before > not_after {
        return Err(end.wrong("`not_after` is before `not_before`"));
    }
    // The second that it names is part of it.
    let end = Duration::from_secs(not_after).saturating_add(Duration::from_secs(1));
    let validity = Validity {
        seal_from: Duration::from_secs(not_before),
        seal_until: end,
        open_until: end,
    };
    Ok((not_before, KeyEntry::new(key, KeyRole::Timed(validity), at)))
}

fn key(item: &Item<'_>, at: KeyLocation) -> Result<TicketKey, TicketKeyError> {
    let mut name = [0; 16];
    let expected = "expected 32 hexadecimal digits";
    digits(item.value(Word::Name)?, &mut name, expected)?;
    let cipher = cipher(item.value(Word::Cipher)?)?;
    let hash = item.value(Word::Hash)?;
    if !hash.text.eq_ignore_ascii_case(b"SHA256") {
        return Err(hash.wrong("expected SHA256, the only hash that is supported here"));
    }
    let mut secrets = Zeroizing::new([0; TicketCipher::Aes256.key_len() + MAC_SECRET]);
    let secrets = &mut secrets[..cipher.key_len() + MAC_SECRET];
    let expected = match cipher {
        TicketCipher::Aes128 => "expected 160 hexadecimal digits: AES-128 key and MAC secret",
        TicketCipher::Aes256 => "expected 192 hexadecimal digits: AES-256 key and MAC secret",
    };
    digits(item.value(Word::Key)?, secrets, expected)?;
    let (aes, hmac) = secrets.split_at(cipher.key_len());
    TicketKey::new(name, hmac, aes).map_err(|fault| TicketKeyError::Bad { at, fault })
}

fn cipher(value: Value<'_>) -> Result<TicketCipher, TicketKeyError> {
    let has_name = |cipher: &TicketCipher| {
        let name = format!("{cipher}-CBC");
        value.text.eq_ignore_ascii_case(name.as_bytes())
    };
    let found = [TicketCipher::Aes128, TicketCipher::Aes256]
        .into_iter()
        .find(has_name);
    found.ok_or(value.wrong("expected AES-128-CBC or AES-256-CBC, all that is supported here"))
}

fn digits(value: Value<'_>, out: &mut [u8], expected: &'static str) -> Result<(), TicketKeyError> {
    let fits = value.text.len() == 2 * out.len();
    if fits && base16ct::mixed::decode(value.text, out).is_ok() {
        return Ok(());
    }
    Err(value.wrong(expected))
}

fn number(value: Value<'_>) -> Result<u64, TicketKeyError> {
    let digits = Some(value.text).filter(|text| text.iter().all(u8::is_ascii_digit));
    let text = digits.and_then(|text| std::str::from_utf8(text).ok());
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| value.wrong("expected seconds since 1970"))
}
