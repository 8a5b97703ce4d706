//! What the answers mean. They come from a server that is not trusted.

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

use crate::store::contract::{Position, Refusal, StoreError, StreamPart};

/// Why a call of the library failed.
pub(super) fn broken(error: &RedisError) -> StoreError {
    match error.is_timeout() {
        true => StoreError::Timeout,
        false => StoreError::Broken(error.to_string()),
    }
}

/// What one write has come to: an error of the whole connection, a refusal, or where it stands.
pub(crate) fn of_write(answer: Value) -> Result<Result<Position, Refusal>, StoreError> {
    match answer {
        Value::ServerError(error) => {
            let error = RedisError::from(error);
            match error.code() {
                Some("OOM") => Ok(Err(Refusal::Full)),
                // It was the primary, or is not ready: another connection may find the one that is.
                Some("READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "NOREPLICAS") => {
                    Err(broken(&error))
                }
                _ => Ok(Err(Refusal::Other(error.to_string()))),
            }
        }
        Value::Nil => Ok(Err(Refusal::Present)),
        Value::Okay => Ok(Ok(Position::START)),
        Value::BulkString(id) => match position(&id) {
            Some(position) => Ok(Ok(position)),
            None => Err(StoreError::Nonsense("a place in a stream")),
        },
        _ => Err(StoreError::Nonsense("the answer to a write")),
    }
}

/// Streams and their values, in RESP 2 or 3.
pub(crate) fn of_follow(
    answer: Value,
    names: &[(String, Position)],
) -> Result<Vec<StreamPart>, StoreError> {
    const WRONG: StoreError = StoreError::Nonsense("streams");
    let streams: Vec<(Value, Value)> = match answer {
        Value::Nil => return Ok(Vec::new()),
        Value::Map(streams) => streams,
        Value::Array(streams) => {
            let pair = |stream| match stream {
                Value::Array(parts) => <[Value; 2]>::try_from(parts).ok(),
                _ => None,
            };
            let pairs = streams.into_iter().map(pair);
            let pairs: Option<Vec<_>> = pairs.map(|pair| pair.map(|[a, b]| (a, b))).collect();
            pairs.ok_or(WRONG)?
        }
        other => return Err(failed(other, WRONG)),
    };
    let part = |(name, values): (Value, Value)| {
        let Value::BulkString(name) = name else {
            return Err(WRONG);
        };
        let stream = names.iter().position(|(known, _)| known.as_bytes() == name);
        let values = of_range(values)?;
        stream
            .map(|stream| StreamPart { stream, values })
            .ok_or(WRONG)
    };
    streams.into_iter().map(part).collect()
}

/// The values of a stream. Entries of another shape are passed over: they are not a fleet's.
pub(crate) fn of_range(answer: Value) -> Result<Vec<(Position, Vec<u8>)>, StoreError> {
    const WRONG: StoreError = StoreError::Nonsense("values of a stream");
    let entries = match answer {
        Value::Array(entries) => entries,
        Value::Nil => Vec::new(),
        other => return Err(failed(other, WRONG)),
    };
    let mut values = Vec::with_capacity(entries.len());
    for entry in entries {
        let Value::Array(parts) = entry else {
            return Err(WRONG);
        };
        let Ok([Value::BulkString(id), fields]) = <[Value; 2]>::try_from(parts) else {
            return Err(WRONG);
        };
        let at = position(&id).ok_or(WRONG)?;
        let value = match fields {
            Value::Array(fields) => match <[Value; 2]>::try_from(fields) {
                Ok([_, Value::BulkString(value)]) => value,
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        values.push((at, value));
    }
    Ok(values)
}

/// The value of a key; none if there is none, or of another kind.
pub(crate) fn of_get(answer: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match answer {
        Value::BulkString(value) => Ok(Some(value)),
        Value::Nil => Ok(None),
        Value::ServerError(error) => {
            let error = RedisError::from(error);
            match error.kind() {
                ErrorKind::Server(ServerErrorKind::ResponseError) => Ok(None),
                _ => Err(broken(&error)),
            }
        }
        _ => Err(StoreError::Nonsense("a value")),
    }
}

/// An error that the server tells, or nonsense.
fn failed(answer: Value, nonsense: StoreError) -> StoreError {
    match answer {
        Value::ServerError(error) => broken(&RedisError::from(error)),
        _ => nonsense,
    }
}

fn position(id: &[u8]) -> Option<Position> {
    let (millis, number) = std::str::from_utf8(id).ok()?.split_once('-')?;
    Some(Position(millis.parse().ok()?, number.parse().ok()?))
}
