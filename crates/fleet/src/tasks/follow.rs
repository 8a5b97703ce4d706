//! Reads what other machines have said, as they say it.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use rekindle::resume::Scope;
use tokio::time::timeout;

use super::backlog::Gap;
use super::backoff::Backoff;
use super::pace::{APART, Pace};
use super::shared::{PATIENCE, Shared};
use crate::counters::set;
use crate::machine::{Content, GROUP_OF_ENDINGS, Machine, Stream};
use crate::schedule::SKEW;
use crate::seal::HEAD;
use crate::store::{Connection, Position, StoreError};

/// How long one call waits.
const WAIT: Duration = Duration::from_secs(1);

/// Messages that are taken before other tasks have their turn.
const AT_ONCE: usize = 100;

/// The most values of a stream that one call reads. One has up to 16 KiB.
const MOST: usize = 250;

/// Where each stream was read up to, over all connections.
type Places = HashMap<String, Place, RandomState>;

/// Where a stream was read up to, and the value that stands there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) at: Position,
    value: Vec<u8>,
}

/// Follows the streams of a group, or of all. Never ends.
pub(crate) async fn follow(shared: &Shared, group: Option<u8>) {
    let has_endings = group.is_none_or(|group| group == GROUP_OF_ENDINGS);
    let mut places = Places::default();
    let mut backoff = Backoff::new();
    loop {
        match shared.connect(WAIT + PATIENCE).await {
            Ok(mut connection) => {
                let mut follower = Follower {
                    shared,
                    group,
                    places: &mut places,
                    following: Vec::new(),
                    known: None,
                };
                let Err(error) = follower.run(&mut *connection).await;
                shared.is_down(error);
                if !follower.following.is_empty() {
                    backoff = Backoff::new();
                }
            }
            Err(error) => shared.is_down(error),
        }
        if has_endings {
            shared.backlog.has_read_endings.send_replace(false);
        }
        backoff.pause().await;
    }
}

struct Follower<'s> {
    shared: &'s Shared,
    group: Option<u8>,
    places: &'s mut Places,
    /// On this connection: endings first.
    following: Vec<Arc<Stream>>,
    /// What `following` was made for.
    known: Option<(RangeInclusive<u64>, Arc<[Scope]>)>,
}

impl Follower<'_> {
    async fn run(
        &mut self,
        connection: &mut dyn Connection,
    ) -> Result<std::convert::Infallible, StoreError> {
        let mut scopes = self.shared.scopes.subscribe();
        // Its own values come as seldom as it writes and should delay no others. They have a limit,
        // too: the store can make them up.
        let (mut of_others, mut own) = (Pace::new(APART), Pace::new(APART));
        loop {
            let of_now = Arc::clone(&scopes.borrow_and_update());
            self.choose(connection, of_now).await?;
            self.read_endings(connection, &mut own).await?;
            if self.following.is_empty() {
                let _ = timeout(WAIT, scopes.changed()).await;
                continue;
            }
            let read = self.read(connection, self.following.len(), WAIT).await?;
            match read {
                Some(0) => own.turn(0).await,
                Some(messages) => of_others.turn(messages).await,
                None => {}
            }
        }
    }

    /// Chooses the streams of now, and finds where to begin with new ones.
    async fn choose(
        &mut self,
        connection: &mut dyn Connection,
        scopes: Arc<[Scope]>,
    ) -> Result<(), StoreError> {
        let machine = &self.shared.machine;
        let periods = machine.open_periods();
        let is_known = |(of, scopes_before): &(_, Arc<[Scope]>)| {
            *of == periods && Arc::ptr_eq(scopes_before, &scopes)
        };
        if self.known.as_ref().is_some_and(is_known) {
            return Ok(());
        }
        // Without keys there is nothing to read: the clock has gone back behind the ratchet.
        let mut streams = machine.streams(&scopes).unwrap_or_default();
        let (group, replicates) = (self.group, self.shared.sharing.replicates());
        streams.retain(|stream| {
            group.is_none_or(|group| stream.group == group)
                && (replicates || stream.content == Content::Endings)
        });
        for stream in &streams {
            if !self.following.contains(stream) {
                self.begin(connection, stream).await?;
            }
        }
        self.places
            .retain(|name, _| streams.iter().any(|stream| stream.name == *name));
        self.following = streams;
        self.known = Some((periods, scopes));
        Ok(())
    }

    /// Finds where to begin on a connection that is new, or with a stream that is.
    async fn begin(
        &mut self,
        connection: &mut dyn Connection,
        stream: &Arc<Stream>,
    ) -> Result<(), StoreError> {
        let end = connection.read_back(&stream.name, Position::END, 1).await?;
        let end = Place::of(end.into_iter().next());
        let read = self.places.get(&stream.name).cloned();
        let there = match &read {
            Some(read) if read.at < end.at => {
                let there = connection.read_back(&stream.name, read.at, 1).await?;
                Place::of(there.into_iter().next())
            }
            // The end is what is there.
            _ => end.clone(),
        };
        let (begin, gap) = begin(stream, read, &there, end);
        gap.into_iter().for_each(|gap| self.shared.backlog.add(gap));
        self.places.insert(stream.name.clone(), begin);
        Ok(())
    }

    /// Reads the endings to their end, so that no session is inserted that one of them has ended.
    async fn read_endings(
        &mut self,
        connection: &mut dyn Connection,
        pace: &mut Pace,
    ) -> Result<(), StoreError> {
        let is_ending = |stream: &&Arc<Stream>| stream.content == Content::Endings;
        let endings = self.following.iter().take_while(is_ending).count();
        if endings == 0 || *self.shared.backlog.has_read_endings.borrow() {
            return Ok(());
        }
        while (self.read(connection, endings, Duration::ZERO).await?).is_some() {
            pace.turn(0).await;
        }
        self.shared.backlog.has_read_endings.send_replace(true);
        Ok(())
    }

    /// Reads from the first streams: how many messages of others there were, if there were values.
    async fn read(
        &mut self,
        connection: &mut dyn Connection,
        number: usize,
        wait: Duration,
    ) -> Result<Option<usize>, StoreError> {
        let streams = &self.following[..number];
        let at = |stream: &Arc<Stream>| self.places.get(&stream.name).map(|place| place.at);
        let from: Vec<_> = (streams.iter())
            .map(|stream| (stream.name.clone(), at(stream).unwrap_or_default()))
            .collect();
        let reading = connection.follow(&from, MOST, wait);
        let parts = timeout(wait + PATIENCE, reading).await;
        let mut parts = parts.unwrap_or(Err(StoreError::Timeout))?;
        self.shared.is_up();
        // Endings first.
        parts.sort_by_key(|part| part.stream);
        let machine = &self.shared.machine;
        let (any, mut all) = (!parts.is_empty(), 0);
        for mut part in parts {
            let stream = streams.get(part.stream);
            let stream = stream.ok_or(StoreError::Nonsense("a stream that was not asked for"))?;
            let mut taken = 0;
            for (_, value) in &part.values {
                let messages = machine.receive(stream, value, false);
                (taken, all) = (taken + messages, all + messages);
                if taken >= AT_ONCE {
                    taken = 0;
                    tokio::task::yield_now().await;
                }
            }
            if let Some(last) = part.values.pop() {
                note_lag(machine, last.0);
                self.places
                    .insert(stream.name.clone(), Place::of(Some(last)));
            }
        }
        Ok(any.then_some(all))
    }
}

impl Place {
    pub(crate) fn of(value: Option<(Position, Vec<u8>)>) -> Self {
        let (at, mut value) = value.unwrap_or((Position::START, Vec::new()));
        // Enough to tell it from any other: its nonce.
        value.truncate(HEAD);
        Self { at, value }
    }
}

/// Behind which place to begin with a stream, and what is left to be read of it. Endings are read
/// from where they were read before; of sessions those that come from now on, and those of before
/// bit by bit, the newest first. The places are those of [`begin_behind`].
pub(crate) fn begin(
    stream: &Arc<Stream>,
    read: Option<Place>,
    there: &Place,
    end: Place,
) -> (Place, Option<Gap>) {
    let from = begin_behind(read, there, &end);
    if stream.content == Content::Endings {
        return (from, None);
    }
    let gap = (end.at > from.at).then(|| Gap {
        stream: Arc::clone(stream),
        from: from.at,
        up_to: end.at,
    });
    (end, gap)
}

/// Behind which place to go on with a stream that was read up to `read`, where there is `there` or
/// something older now, and which ends at `end`.
fn begin_behind(read: Option<Place>, there: &Place, end: &Place) -> Place {
    match read {
        // Nothing is lost: all that came since stands behind it.
        Some(read) if read.at == there.at && read.value == there.value => read,
        // What was there before is lost, and what came since may stand before it.
        Some(Place {
            at: Position(millis, _),
            ..
        }) if end.at >= Position(millis, 0) => Place {
            at: Position(millis.saturating_sub(SKEW.as_millis() as u64), 0),
            value: Vec::new(),
        },
        _ => Place::default(),
    }
}

fn note_lag(machine: &Machine, Position(millis, _): Position) {
    let now = machine.unix_time().as_millis() as u64;
    set(&machine.counters.lag_millis, now.saturating_sub(millis));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_it_was_unless_something_is_lost() {
        let place = |millis, value: &[u8]| Place::of(Some((Position(millis, 1), value.to_vec())));
        let (read, end) = (place(100_000, b"last"), place(170_000, b"end"));
        let from = |there: &Place, end: &Place| begin_behind(Some(read.clone()), there, end).at;
        assert_eq!(from(&read, &end), read.at);
        assert_eq!(from(&read, &read), read.at);
        // Another value is there, or an older one: the store has lost the last ones.
        for there in [
            place(100_000, b"other"),
            place(99_999, b"older"),
            Place::default(),
        ] {
            assert_eq!(from(&there, &end), Position(40_000, 0));
            assert_eq!(from(&there, &place(99_999, b"end")), Position::START);
        }
        assert_eq!(
            begin_behind(None, &Place::default(), &end).at,
            Position::START
        );
    }
}
