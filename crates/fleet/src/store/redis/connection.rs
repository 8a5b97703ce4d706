//! A connection, and the commands that it sends.

use std::time::Duration;

use futures_util::future::try_join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, Pipeline, Value, cmd};

use super::answers;
use crate::store::contract::{
    Connection, Pending, Position, Refusal, StoreError, StreamPart, Write,
};

/// The only field of a stream's entries.
const FIELD: &str = "v";

/// To one server, or to a cluster.
pub(super) enum RedisConnection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Commands, and their numbers among all.
type Numbered = Vec<(usize, Cmd)>;

impl RedisConnection {
    /// The answers to some commands. Those that have the same place are carried out in order: in a
    /// cluster, one call reaches one place only.
    async fn all(&mut self, commands: Vec<(&[u8], Cmd)>) -> Result<Vec<Value>, StoreError> {
        let number = commands.len();
        let answers = match self {
            Self::Server(server) => {
                let commands = commands.into_iter().map(|(_, command)| command);
                answers_of(&pipeline(commands), server, number).await?
            }
            Self::Cluster(cluster) => {
                let mut places: Vec<(&[u8], Numbered)> = Vec::new();
                for (number, (place, command)) in commands.into_iter().enumerate() {
                    match places.iter_mut().find(|(known, _)| *known == place) {
                        Some((_, commands)) => commands.push((number, command)),
                        None => places.push((place, vec![(number, command)])),
                    }
                }
                let ask = places.into_iter().map(|(_, commands)| {
                    let mut cluster = cluster.clone();
                    async move {
                        let (numbers, commands): (Vec<usize>, Vec<Cmd>) =
                            commands.into_iter().unzip();
                        let pipeline = pipeline(commands);
                        let answers = answers_of(&pipeline, &mut cluster, numbers.len()).await?;
                        Ok(numbers.into_iter().zip(answers))
                    }
                });
                let answered = try_join_all(ask).await?;
                let mut answers: Vec<_> = answered.into_iter().flatten().collect();
                answers.sort_by_key(|(number, _)| *number);
                answers.into_iter().map(|(_, answer)| answer).collect()
            }
        };
        Ok(answers)
    }

    async fn one(&mut self, command: &Cmd) -> Result<Value, StoreError> {
        let answer = match self {
            Self::Server(server) => server.req_packed_command(command).await,
            Self::Cluster(cluster) => cluster.req_packed_command(command).await,
        };
        answer.map_err(|error| answers::broken(&error))
    }
}

fn pipeline(commands: impl IntoIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

async fn answers_of(
    pipeline: &Pipeline,
    connection: &mut impl ConnectionLike,
    number: usize,
) -> Result<Vec<Value>, StoreError> {
    let answers: Result<Vec<Value>, _> = pipeline.query_async(connection).await;
    let answers = answers.map_err(|error| answers::broken(&error))?;
    match answers.len() == number {
        true => Ok(answers),
        false => Err(StoreError::Nonsense("another number of answers")),
    }
}

/// Names of one place have the same part in braces.
fn place(name: &[u8]) -> &[u8] {
    let start = name.iter().position(|byte| *byte == b'{');
    let tag = start.and_then(|start| name[start + 1..].split(|byte| *byte == b'}').next());
    tag.unwrap_or(name)
}

impl Connection for RedisConnection {
    fn write<'a>(&'a mut self, writes: &'a [Write]) -> Pending<'a, Vec<Result<Position, Refusal>>> {
        Box::pin(async move {
            let commands = writes.iter().map(of_write);
            let ends = ends(writes).into_iter().map(|(stream, ends_at)| {
                let mut end = cmd("PEXPIREAT");
                end.arg(stream).arg(ends_at);
                (place(stream.as_bytes()), end)
            });
            let mut answers = self.all(commands.chain(ends).collect()).await?;
            answers.truncate(writes.len());
            answers.into_iter().map(answers::of_write).collect()
        })
    }

    fn follow<'a>(
        &'a mut self,
        from: &'a [(String, Position)],
        most: usize,
        wait: Duration,
    ) -> Pending<'a, Vec<StreamPart>> {
        Box::pin(async move {
            let mut read = cmd("XREAD");
            read.arg("COUNT").arg(most);
            // None would be for ever.
            if let Ok(millis @ 1..) = u64::try_from(wait.as_millis()) {
                read.arg("BLOCK").arg(millis);
            }
            read.arg("STREAMS");
            for (stream, _) in from {
                read.arg(stream);
            }
            for (_, position) in from {
                read.arg(text(*position));
            }
            answers::of_follow(self.one(&read).await?, from)
        })
    }

    fn read_back<'a>(
        &'a mut self,
        stream: &'a str,
        up_to: Position,
        most: usize,
    ) -> Pending<'a, Vec<(Position, Vec<u8>)>> {
        Box::pin(async move {
            let mut read = cmd("XREVRANGE");
            read.arg(stream).arg(text(up_to)).arg("-");
            read.arg("COUNT").arg(most);
            answers::of_range(self.one(&read).await?)
        })
    }

    fn get<'a>(&'a mut self, keys: &'a [Vec<u8>]) -> Pending<'a, Vec<Option<Vec<u8>>>> {
        Box::pin(async move {
            let commands = keys.iter().map(|key| {
                let mut get = cmd("GET");
                get.arg(key);
                (&key[..], get)
            });
            let answers = self.all(commands.collect()).await?;
            answers.into_iter().map(answers::of_get).collect()
        })
    }
}

fn of_write(write: &Write) -> (&[u8], Cmd) {
    match write {
        Write::Append {
            stream,
            value,
            oldest,
            ..
        } => {
            let mut append = cmd("XADD");
            append.arg(stream).arg("MINID").arg("~").arg(text(*oldest));
            append.arg("*").arg(FIELD).arg(value);
            (place(stream.as_bytes()), append)
        }
        Write::Put {
            key,
            value,
            life,
            if_absent,
        } => {
            let mut put = cmd("SET");
            put.arg(key).arg(value);
            if *if_absent {
                put.arg("NX");
            }
            put.arg("PX").arg(life.as_millis().max(1) as u64);
            (key, put)
        }
    }
}

/// When each stream that is written to ends.
fn ends(writes: &[Write]) -> Vec<(&str, u64)> {
    let mut ends: Vec<(&str, u64)> = Vec::new();
    for write in writes {
        if let Write::Append {
            stream, ends_at, ..
        } = write
            && ends.iter().all(|(known, _)| known != stream)
        {
            ends.push((stream, *ends_at));
        }
    }
    ends
}

fn text(Position(millis, number): Position) -> String {
    format!("{millis}-{number}")
}
