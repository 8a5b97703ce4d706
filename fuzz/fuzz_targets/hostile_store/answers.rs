//! What a store answers: trees of anything, in which names, places and values may be right.

use arbitrary::Arbitrary;
use redis::{Value, VerbatimFormat, parse_redis_value};

use crate::store::Store;

/// An answer.
#[derive(Arbitrary, Debug)]
pub(crate) enum Answer {
    Tree(Tree),
    /// As it comes over the wire.
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
pub(crate) enum Tree {
    Nil,
    Okay,
    Int(i64),
    Double(f64),
    Boolean(bool),
    Bytes(Vec<u8>),
    Text(String),
    Verbatim(String),
    BigNumber(Vec<u8>),
    /// The name of a stream.
    Name(u8),
    /// A place in a stream.
    Place(u64, u64),
    /// What a machine has said.
    Said(u8),
    Error(ErrorCode),
    Array(Vec<Tree>),
    Set(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
    Attribute(Box<Tree>),
}

#[derive(Arbitrary, Debug)]
pub(crate) enum ErrorCode {
    Err,
    Oom,
    ReadOnly,
    WrongType,
    Moved,
    Other(String),
}

impl Answer {
    /// None if the bytes are no answer at all.
    pub(crate) fn value(self, store: &Store, streams: &[String]) -> Option<Value> {
        match self {
            Self::Tree(tree) => Some(tree.value(store, streams)),
            Self::Bytes(bytes) => parse_redis_value(&bytes).ok(),
        }
    }
}

impl Tree {
    fn value(self, store: &Store, streams: &[String]) -> Value {
        let of_all = |trees: Vec<Self>| {
            let values = trees.into_iter().map(|tree| tree.value(store, streams));
            values.collect()
        };
        match self {
            Self::Nil => Value::Nil,
            Self::Okay => Value::Okay,
            Self::Int(number) => Value::Int(number),
            Self::Double(number) => Value::Double(number),
            Self::Boolean(is_true) => Value::Boolean(is_true),
            Self::Bytes(bytes) => Value::BulkString(bytes),
            Self::Text(text) => Value::SimpleString(text),
            Self::Verbatim(text) => Value::VerbatimString {
                format: VerbatimFormat::Text,
                text,
            },
            Self::BigNumber(digits) => Value::BigNumber(digits),
            Self::Name(number) => {
                let name = streams.get(usize::from(number) % streams.len().max(1));
                Value::BulkString(name.cloned().unwrap_or_default().into_bytes())
            }
            Self::Place(millis, number) => {
                Value::BulkString(format!("{millis}-{number}").into_bytes())
            }
            Self::Said(number) => {
                let said = store.said(number).map(|said| said.value.clone());
                Value::BulkString(said.unwrap_or_default())
            }
            Self::Error(code) => code.value(),
            Self::Array(trees) => Value::Array(of_all(trees)),
            Self::Set(trees) => Value::Set(of_all(trees)),
            Self::Map(pairs) => {
                let value = |tree: Self| tree.value(store, streams);
                let pairs = pairs.into_iter().map(|(a, b)| (value(a), value(b)));
                Value::Map(pairs.collect())
            }
            Self::Attribute(tree) => Value::Attribute {
                data: Box::new(tree.value(store, streams)),
                attributes: Vec::new(),
            },
        }
    }
}

impl ErrorCode {
    /// An error as the library reads it.
    fn value(self) -> Value {
        let line = match self {
            Self::Err => "-ERR no\r\n".into(),
            Self::Oom => "-OOM command not allowed when used memory > 'maxmemory'.\r\n".into(),
            Self::ReadOnly => "-READONLY You can't write against a read only replica.\r\n".into(),
            Self::WrongType => "-WRONGTYPE Operation against a key\r\n".into(),
            Self::Moved => "-MOVED 3999 127.0.0.1:6381\r\n".into(),
            Self::Other(text) => format!("-{}\r\n", text.replace(['\r', '\n'], " ")),
        };
        parse_redis_value(line.as_bytes()).unwrap_or(Value::Nil)
    }
}
