//! The engine's invariants, from what it shows to any caller.

use rekindle::Stats;

use super::oracle::{Entry, Oracle, UNREPORTED, alive, number};

impl Oracle<'_> {
    /// Compares all that the cache shows with what it must be, but for what it evicted: those are
    /// taken out of the oracle and returned once their number and the reasons are found to hold.
    pub(crate) fn validate(&mut self) -> Vec<Entry> {
        self.looks += 1;
        let mut found = 0;
        let guard = self.cache.pin();
        for view in guard.iter() {
            let entry = self.entries[number(view.id())]
                .as_mut()
                .expect("never inserted");
            assert!(entry.seen < self.looks, "{:?} is there twice", view.id());
            entry.seen = self.looks;
            assert_eq!(view.value().0, entry.value);
            assert!(view.encoded() == entry.encoded());
            assert_eq!(view.expires_at(), entry.expires_at);
            assert_eq!(view.was_resumed(), entry.resumed);
            found += 1;
        }
        drop(guard);
        let stats = self.cache.stats();
        let vanished = if found == self.len {
            Vec::new()
        } else {
            self.take_vanished()
        };
        self.account(&vanished, &stats);

        self.stats.entries = self.len;
        self.stats.bytes = self.bytes;
        self.stats.retired = stats.retired;
        self.stats.retired_bytes = stats.retired_bytes;
        assert_eq!(stats, self.stats);
        assert_eq!(self.cache.len(), self.len);
        assert!(self.len <= self.cache.capacity());
        assert!(self.bytes <= self.max_bytes);

        // Entries that have left and are not reclaimed wait, and so do lines, of 64 bytes each.
        let waiting = alive() - self.len;
        assert!(waiting <= stats.retired + UNREPORTED, "not retired");
        assert!(stats.retired_bytes >= 64 * stats.retired);
        vanished
    }

    /// After a call of `maintain` while no thread is pinned, nothing waits any more.
    pub(crate) fn validate_reclaimed(&self) {
        if !self.alone {
            return;
        }
        let stats = self.cache.stats();
        assert_eq!((stats.retired, stats.retired_bytes), (0, 0));
        assert_eq!(alive(), self.len, "values leaked");
    }

    fn take_vanished(&mut self) -> Vec<Entry> {
        let unseen = |entry: &mut Entry| entry.seen < self.looks;
        let slots = self.entries.iter_mut();
        let vanished: Vec<_> = slots.filter_map(|slot| slot.take_if(unseen)).collect();
        self.len -= vanished.len();
        self.bytes -= vanished.iter().map(Entry::bytes).sum::<usize>();
        vanished
    }

    /// Each that vanished is counted as evicted, for a reason that held.
    fn account(&mut self, vanished: &[Entry], stats: &Stats) {
        let (now, before) = (stats.evicted, &mut self.stats.evicted);
        let live_until = self.cache.now();
        let live = |entry: &&Entry| live_until <= entry.expires_at;
        let resumed = |resumed| {
            let such = vanished.iter().filter(live);
            such.filter(|entry| entry.resumed == resumed).count() as u64
        };
        let (unused, idle) = (resumed(false), resumed(true));
        assert_eq!(
            now.unused + now.idle + now.line_full,
            before.unused + before.idle + before.line_full + unused + idle,
            "live entries evicted"
        );
        let reason = "evicted for a reason that does not hold";
        assert!(now.unused - before.unused <= unused, "{reason}");
        assert!(now.idle - before.idle <= idle, "{reason}");
        before.expired += vanished.len() as u64 - unused - idle;
        before.unused = now.unused;
        before.idle = now.idle;
        before.line_full = now.line_full;
    }
}
