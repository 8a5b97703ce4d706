//! h2o's YAML: the ways to write it, and text that is refused.

use rekindle::tickets::{Fingerprint, TicketKeyError};
use rekindle_key_files::TicketKeyFormat as Format;

use crate::raw::{Raw, h2o_item, hex, key};

const WORDS: [&str; 6] = ["name", "cipher", "hash", "key", "not_before", "not_after"];

fn good() -> String {
    let keys = [key(Format::H2o, 1), key(Format::H2o, 2)];
    h2o_item(&keys[0], 10, 20) + &h2o_item(&keys[1], 15, 25)
}

fn fingerprints(text: &str) -> Vec<Fingerprint> {
    let keys = Format::H2o.parse(text.as_bytes());
    let keys = keys.unwrap_or_else(|error| panic!("{error}, for\n{text}"));
    keys.iter().map(|key| key.fingerprint()).collect()
}

#[test]
fn lines_may_look_as_people_write_them() {
    let good = good();
    let expected = fingerprints(&good);
    assert_eq!(expected.len(), 2);
    let reversed = |item: &str| {
        let mut lines: Vec<_> = item.lines().map(|line| &line[2..]).collect();
        lines.reverse();
        format!("- {}\n", lines.join("\n  "))
    };
    let (first, second) = good.split_at(good.rfind("- name").unwrap());
    let quoted = |quote: &str| {
        let lines = good.lines().map(|line| {
            let (word, value) = line.split_once(": ").unwrap();
            format!("{word}: {quote}{value}{quote}\n")
        });
        lines.collect::<String>()
    };
    let all = |change: &dyn Fn(&str) -> String| {
        WORDS.iter().fold(good.clone(), |text, word| {
            text.replace(&format!("{word}:"), &change(word))
        })
    };
    for text in [
        format!("---\n{good}"),
        format!("# keys\n\n--- # begin\n\n{good}\n# end"),
        good.replace('\n', " # behind a space\n"),
        good.replace('\n', "\n\n  # between\n"),
        good.replace('\n', "\r\n"),
        good.replace('\n', " \t\n"),
        good.trim_end().to_owned(),
        good.replace("- ", "-   ").replace("\n  ", "\n    "),
        good.replace("- ", "-\n  "),
        good.replace("- ", "  - ")
            .replace("\n  ", "\n    ")
            .replace("\n    - ", "\n  - "),
        good.replace("- ", "- # the words follow\n  "),
        good.replace("AES-256-CBC", "aes-256-cbc")
            .replace("SHA256", "sha256"),
        reversed(first) + &reversed(second),
        format!("{second}{first}"),
        quoted("\""),
        quoted("'"),
        all(&|word| format!("\"{word}\":")),
        all(&|word| format!("{word} :")),
        all(&|word| format!("{word}:\t ")),
        good.replace(&hex(&[0x90, 0x91]), &hex(&[0x90, 0x91]).to_uppercase())
            .replace("9a9b", "9A9B"),
    ] {
        assert_eq!(fingerprints(&text), expected, "{text}");
    }
}

/// The error for a good text that is changed.
fn refused(change: impl FnOnce(String) -> String) -> (usize, &'static str) {
    let text = change(good());
    match Format::H2o.parse(text.as_bytes()) {
        Err(TicketKeyError::Syntax { line, reason }) => (line, reason),
        other => panic!("{other:?}, for\n{text}"),
    }
}

#[test]
fn other_text_is_refused_with_its_line() {
    let words = "expected `name`, `cipher`, `hash`, `key`, `not_before` or `not_after`";
    let dash = "expected `-`, which begins a key";
    let below = "this word is not below those before";
    let first = "this `-` is not below the first one";
    let tab = "a tab where YAML wants spaces";
    let pair = "expected `word: value`";
    let empty = "there is no value on this line";
    let quote = "a quote that does not end";
    let twice = "this key has had this word before";
    let cipher = "expected AES-128-CBC or AES-256-CBC, all that is supported here";
    let hash = "expected SHA256, the only hash that is supported here";
    let name = "expected 32 hexadecimal digits";
    let sharp = "expected 192 hexadecimal digits: AES-256 key and MAC secret";
    let short = "expected 160 hexadecimal digits: AES-128 key and MAC secret";
    let seconds = "expected seconds since 1970";
    let order = "`not_after` is before `not_before`";
    assert_eq!(refused(|good| good[2..].to_owned()), (1, dash));
    assert_eq!(refused(|good| format!("{{}}\n{good}")), (1, dash));
    assert_eq!(refused(|good| format!("---\n---\n{good}")), (2, dash));
    assert_eq!(refused(|good| good + "...\n"), (13, dash));
    assert_eq!(refused(|good| format!("%YAML 1.1\n---\n{good}")), (1, dash));
    for (from, to, line, reason) in [
        ("\n- name", "\n name", 7, below),
        ("\n- name", "\n - name", 7, first),
        ("- name", "-name", 1, dash),
        ("- name", "-\tname", 1, dash),
        ("- name", "- \tname", 1, tab),
        ("  hash", "\thash", 3, dash),
        ("  hash", "  \thash", 3, tab),
        ("  hash", "   hash", 3, below),
        ("  hash", " hash", 3, below),
        ("  hash", "hash", 3, dash),
        ("- name", "- {name", 1, words),
        ("hash: ", "hash:", 3, pair),
        ("hash: ", "hash ", 3, pair),
        ("hash: SHA256", "hash:", 3, empty),
        ("hash: SHA256", "hash: # SHA256", 3, empty),
        ("hash: SHA256", "hash: ''", 3, empty),
        ("hash: SHA256", "hash: 'SHA256", 3, quote),
        ("hash: SHA256", "hash: 'SHA256\"", 3, quote),
        ("hash: SHA256", "hash: \"", 3, quote),
        ("hash: SHA256", "hash: 'SHA256 # '", 3, quote),
        ("hash: SHA256", "hash: SHA256#no comment", 3, hash),
        ("hash: SHA256", "hash: SHA384", 3, hash),
        ("hash: SHA256", "hash: &a SHA256", 3, hash),
        ("hash: SHA256", "Hash: SHA256", 3, words),
        ("hash: SHA256", "digest: SHA256", 3, words),
        ("hash: SHA256", "cipher: SHA256", 3, twice),
        ("AES-256-CBC", "AES-256-GCM", 2, cipher),
        ("AES-256-CBC", "CHACHA20", 2, cipher),
        ("name: ", "name: 00", 1, name),
        ("name: 22", "name: ", 1, name),
        ("name: 22", "name: g2", 1, name),
        ("key: ", "key: 00", 4, sharp),
        ("key: 82", "key: ", 4, sharp),
        ("key: 82", "key: 0x", 4, sharp),
        ("key: ", "key: |\n    ", 5, below),
        ("AES-256-CBC", "AES-128-CBC", 4, short),
        ("not_before: 10", "not_before: -1", 5, seconds),
        ("not_before: 10", "not_before: +1", 5, seconds),
        ("not_before: 10", "not_before: 1.5", 5, seconds),
        ("not_before: 10", "not_before: 1 2", 5, seconds),
        (
            "not_after: 20",
            "not_after: 18446744073709551616",
            6,
            seconds,
        ),
        ("not_after: 20", "not_after: 9", 6, order),
        ("not_after: 25", "not_after: never", 12, seconds),
    ] {
        let found = refused(|good| {
            assert!(good.contains(from), "{from}");
            good.replacen(from, to, 1)
        });
        assert_eq!(found, (line, reason), "{to} for {from}");
    }
}

#[test]
fn what_a_key_lacks_is_named_with_the_line_that_it_begins_on() {
    for (n, word) in WORDS.iter().enumerate() {
        let good = good();
        let mut lines: Vec<_> = good.lines().collect();
        let name = lines[0].replace("- name: 22", "  name: aa");
        lines.splice(6..7, ["-", &name]);
        lines.remove(7 + n);
        let error = Format::H2o.parse(lines.join("\n").as_bytes()).unwrap_err();
        let expected = format!("line 7: this key has no `{word}`");
        assert_eq!(error.to_string(), expected);
    }
    let error = Format::H2o.parse(b"-\n-\n").unwrap_err();
    assert_eq!(error.to_string(), "line 1: this key has no `name`");
}

#[test]
fn the_newest_comes_first_and_of_equals_the_one_that_h2o_takes() {
    let [a, b, c]: [Raw; 3] = [1, 2, 3].map(|n| key(Format::H2o, n));
    let text = h2o_item(&c, 10, 20) + &h2o_item(&a, 5, 20) + &h2o_item(&b, 10, 20);
    let keys = Format::H2o.parse(text.as_bytes()).unwrap();
    let names: Vec<_> = keys.iter().map(|key| *key.name()).collect();
    assert_eq!(names, [b.name, c.name, a.name]);
}
