//! What went wrong lately: the last warnings and errors of the log, in memory.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How many events are kept.
const KEPT: usize = 50;
/// Bytes that are kept of an event's text.
const LONGEST: usize = 512;

/// Of the whole process, as the log is.
static LATEST: Mutex<VecDeque<RecentEvent>> = Mutex::new(VecDeque::new());

/// A warning or an error.
#[derive(Debug, Clone)]
pub(crate) struct RecentEvent {
    pub(crate) at: SystemTime,
    pub(crate) level: Level,
    /// The message, then the fields.
    pub(crate) text: String,
}

/// Keeps the events that it is given.
#[derive(Debug)]
pub(crate) struct RecentEvents;

impl RecentEvents {
    /// The latest first.
    pub(crate) fn latest() -> Vec<RecentEvent> {
        lock().iter().rev().cloned().collect()
    }
}

impl<S: Subscriber> Layer<S> for RecentEvents {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let event = RecentEvent {
            at: SystemTime::now(),
            level: *event.metadata().level(),
            text: text.message + &text.fields,
        };
        let mut latest = lock();
        if latest.len() >= KEPT {
            latest.pop_front();
        }
        latest.push_back(event);
    }
}

fn lock() -> MutexGuard<'static, VecDeque<RecentEvent>> {
    LATEST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The text of an event. What is longer than [`LONGEST`] is cut.
#[derive(Debug, Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let room = LONGEST.saturating_sub(self.message.len() + self.fields.len());
        // The error of a text that is cut: no failure.
        let _ = match field.name() {
            "message" => write!(Bounded(&mut self.message, room), "{value:?}"),
            name => write!(Bounded(&mut self.fields, room), " {name}={value:?}"),
        };
    }
}

/// Writes as much as there is room for, and an ellipsis where that is not all.
struct Bounded<'a>(&'a mut String, usize);

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() <= self.1 {
            self.1 -= text.len();
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=self.1).rev().find(|end| text.is_char_boundary(*end));
        self.0.push_str(&text[..end.unwrap_or(0)]);
        self.0.push('…');
        self.1 = 0;
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing::{error, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The one test that logs here: the events are those of the process.
    #[test]
    fn the_last_events_are_kept_and_long_ones_are_cut() {
        with_default(tracing_subscriber::registry().with(RecentEvents), || {
            for number in 0..2 * KEPT {
                warn!(number, "the {}th", number);
            }
            let long = "ä".repeat(LONGEST);
            error!(long, other = 1, "it is long");
        });
        let latest = RecentEvents::latest();
        assert_eq!(latest.len(), KEPT);
        assert_eq!(latest[0].level, Level::ERROR);
        let text = &latest[0].text;
        assert!(text.starts_with("it is long long=\"ää"), "{text}");
        assert!(text.contains('…') && text.len() < LONGEST + 32, "{text}");
        assert_eq!(latest[1].text, "the 99th number=99");
        assert_eq!(latest[1].level, Level::WARN);
    }
}
