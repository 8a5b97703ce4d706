//! As much of YAML as files of h2o's keys need: a list of flat mappings from words to plain or
//! quoted values, each on one line.
//!
//! Libraries for YAML keep copies of the text, and do not wipe them. This parser copies nothing.

use rekindle::tickets::{TicketKeyError, TicketKeys};

/// Bytes of a MAC secret: a block of SHA-256.
pub(super) const MAC_SECRET: usize = 64;

/// What h2o says of a key: as it is written, and what to say of a key without that.
macro_rules! words {
    ($($word:ident $name:literal),*) => {
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Word { $($word),* }

        impl Word {
            const ALL: [(Self, &'static str, &'static str); 6] =
                [$((Self::$word, $name, concat!("this key has no `", $name, "`"))),*];
        }
    };
}

words! {
    Name "name", Cipher "cipher", Hash "hash",
    Key "key", NotBefore "not_before", NotAfter "not_after"
}

/// An item of the list.
pub(super) struct Item<'a> {
    /// The line that it begins on, counted from 1.
    pub(super) line: usize,
    /// The column that its words begin in, once there is one.
    column: Option<usize>,
    values: [Option<Value<'a>>; Word::ALL.len()],
}

/// A value, and the line that it is on.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    line: usize,
    pub(super) text: &'a [u8],
}

impl Value<'_> {
    pub(super) fn wrong(self, reason: &'static str) -> TicketKeyError {
        syntax(self.line, reason)
    }
}

impl<'a> Item<'a> {
    pub(super) fn value(&self, word: Word) -> Result<Value<'a>, TicketKeyError> {
        let missing = Word::ALL[word as usize].2;
        self.values[word as usize].ok_or(syntax(self.line, missing))
    }

    /// Takes `word: value`.
    fn take(&mut self, pair: &'a [u8], line: usize) -> Result<(), TicketKeyError> {
        let expected = "expected `word: value`";
        let colon = pair.iter().position(|byte| *byte == b':');
        let (word, value) = pair.split_at(colon.ok_or(syntax(line, expected))?);
        let value = &value[1..];
        if !value.is_empty() && !value.starts_with(b" ") && !value.starts_with(b"\t") {
            return Err(syntax(line, expected));
        }
        let word = unquoted(word.trim_ascii_end(), line)?;
        let known = |(_, name, _): &&(Word, &str, &str)| name.as_bytes() == word;
        let Some((word, ..)) = Word::ALL.iter().find(known) else {
            let words = "expected `name`, `cipher`, `hash`, `key`, `not_before` or `not_after`";
            return Err(syntax(line, words));
        };
        let text = unquoted(value.trim_ascii(), line)?;
        if text.is_empty() {
            return Err(syntax(line, "there is no value on this line"));
        }
        match self.values[*word as usize].replace(Value { line, text }) {
            None => Ok(()),
            Some(_) => Err(syntax(line, "this key has had this word before")),
        }
    }
}

/// The items of a list.
pub(super) fn items(content: &[u8]) -> Result<Vec<Item<'_>>, TicketKeyError> {
    let mut items: Vec<Item<'_>> = Vec::new();
    let (mut begun, mut dashes) = (false, None);
    for (line, number) in content.split(|byte| *byte == b'\n').zip(1..) {
        let text = without_comment(line).trim_ascii_end();
        let start = text.iter().position(|byte| *byte != b' ');
        let Some(mut column) = start else { continue };
        if text == b"---" && !begun {
            begun = true;
            continue;
        }
        begun = true;
        let mut rest = &text[column..];
        if rest == b"-" || rest.starts_with(b"- ") {
            if *dashes.get_or_insert(column) != column {
                return Err(syntax(number, "this `-` is not below the first one"));
            }
            if items.len() == TicketKeys::MAX_KEYS {
                return Err(TicketKeyError::TooMany);
            }
            items.push(Item {
                line: number,
                column: None,
                values: [None; Word::ALL.len()],
            });
            let spaces = rest[1..].iter().position(|byte| *byte != b' ');
            let Some(spaces) = spaces else { continue };
            column += 1 + spaces;
            rest = &text[column..];
        } else if dashes.is_none_or(|dashes| column <= dashes) {
            return Err(syntax(number, "expected `-`, which begins a key"));
        }
        if rest.starts_with(b"\t") {
            return Err(syntax(number, "a tab where YAML wants spaces"));
        }
        let item = items.last_mut().expect("begun by a dash");
        if *item.column.get_or_insert(column) != column {
            return Err(syntax(number, "this word is not below those before"));
        }
        item.take(rest, number)?;
    }
    Ok(items)
}

/// A line up to a `#` at its beginning or behind a space. A quoted `#` is cut as well: no value
/// that is valid here has one.
fn without_comment(line: &[u8]) -> &[u8] {
    let begins = |at: &usize| line[*at] == b'#' && (*at == 0 || b" \t".contains(&line[*at - 1]));
    let comment = (0..line.len()).find(begins);
    &line[..comment.unwrap_or(line.len())]
}

/// What is between quotes, if there are any.
fn unquoted(text: &[u8], line: usize) -> Result<&[u8], TicketKeyError> {
    let quote = text.first().copied().filter(|first| b"\"'".contains(first));
    let Some(quote) = quote else { return Ok(text) };
    let inner = text[1..].strip_suffix(&[quote]);
    inner.ok_or(syntax(line, "a quote that does not end"))
}

fn syntax(line: usize, reason: &'static str) -> TicketKeyError {
    TicketKeyError::Syntax { line, reason }
}
