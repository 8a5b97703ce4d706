//! What a connection of the admin address does now, and how long it may go on with that.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::listener::SpareFile;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Activity {
    /// No request has come in whole. Bytes of a request do not extend the time.
    FirstRequest,
    /// The last request is answered, and the next one has not come in whole.
    NextRequest,
    /// The client has not taken the whole answer.
    Answer,
}

impl Activity {
    /// Longer than a scraper's interval of 15 s for the next request, so that it keeps its
    /// connection.
    fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::FirstRequest => 5,
            Self::NextRequest => 30,
            Self::Answer => 10,
        })
    }
}

/// An activity, and when it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phase {
    activity: Activity,
    pub(super) since: Instant,
}

impl Phase {
    fn new(activity: Activity) -> Self {
        let since = Instant::now();
        Self { activity, since }
    }

    /// The least of several connections is closed first: the one that has waited longest for a
    /// request, or, if all are being answered, the one whose answer takes longest.
    pub(super) fn closing_order(&self) -> (bool, Instant) {
        (self.activity == Activity::Answer, self.since)
    }

    fn deadline(&self) -> Instant {
        self.since + self.activity.limit()
    }
}

/// Tells the phase of one connection.
#[derive(Debug, Clone)]
pub(super) struct Phases(watch::Sender<Phase>);

impl Phases {
    /// Of a connection that was just accepted.
    pub(super) fn begin() -> Self {
        Self(watch::Sender::new(Phase::new(Activity::FirstRequest)))
    }

    pub(super) fn watch(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }

    pub(super) fn request_came(&self) {
        self.0.send_replace(Phase::new(Activity::Answer));
    }

    /// The HTTP layer flushes before each request as well: that changes nothing.
    fn flushed(&self) {
        self.0.send_if_modified(|phase| {
            let answered = phase.activity == Activity::Answer;
            if answered {
                *phase = Phase::new(Activity::NextRequest);
            }
            answered
        });
    }
}

/// Ends when a phase has lasted too long.
pub(super) async fn overdue(mut phase: watch::Receiver<Phase>) {
    loop {
        let deadline = phase.borrow_and_update().deadline();
        // An error of `changed`: the connection has ended.
        match timeout_at(deadline, phase.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// A connection that tells when an answer is sent, and fills the place of the spare file when it
/// is closed.
#[derive(Debug)]
pub(super) struct AdminStream<S> {
    // Fields are dropped in this order: the stream's descriptor is free when the spare is opened.
    stream: S,
    phases: Phases,
    _spare: SpareAfter,
}

impl<S> AdminStream<S> {
    pub(super) fn new(stream: S, phases: Phases, spare: Arc<SpareFile>) -> Self {
        let _spare = SpareAfter(spare);
        Self {
            stream,
            phases,
            _spare,
        }
    }
}

#[derive(Debug)]
struct SpareAfter(Arc<SpareFile>);

impl Drop for SpareAfter {
    fn drop(&mut self) {
        self.0.refill();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AdminStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AdminStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    /// The HTTP layer comes here when it has written all that it has.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.phases.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
