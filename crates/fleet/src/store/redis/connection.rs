//! A connection, and the commands that it sends.

use std::time::Duration;

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

impl RedisConnection {
    async fn all(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let answers = match self {
            Self::Server(server) => pipeline.query_async(server).await,
            Self::Cluster(cluster) => pipeline.query_async(cluster).await,
        };
        answers.map_err(|error| answers::broken(&error))
    }

    async fn one(&mut self, command: &Cmd) -> Result<Value, StoreError> {
        let answer = match self {
            Self::Server(server) => server.req_packed_command(command).await,
            Self::Cluster(cluster) => cluster.req_packed_command(command).await,
        };
        answer.map_err(|error| answers::broken(&error))
    }
}

impl Connection for RedisConnection {
    fn write<'a>(&'a mut self, writes: &'a [Write]) -> Pending<'a, Vec<Result<Position, Refusal>>> {
        Box::pin(async move {
            let mut pipeline = redis::pipe();
            pipeline.ignore_errors();
            writes.iter().for_each(|write| {
                pipeline.add_command(of_write(write));
            });
            for (stream, ends_at) in ends(writes) {
                pipeline.cmd("PEXPIREAT").arg(stream).arg(ends_at);
            }
            let mut answers = self.all(&pipeline).await?;
            if answers.len() < writes.len() {
                return Err(StoreError::Nonsense("too few answers"));
            }
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
            let mut pipeline = redis::pipe();
            pipeline.ignore_errors();
            for key in keys {
                pipeline.cmd("GET").arg(key);
            }
            let answers = self.all(&pipeline).await?;
            if answers.len() != keys.len() {
                return Err(StoreError::Nonsense("too few answers"));
            }
            answers.into_iter().map(answers::of_get).collect()
        })
    }
}

fn of_write(write: &Write) -> Cmd {
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
            append
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
            put
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
