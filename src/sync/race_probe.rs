//! Lets loom see accesses to plain memory.

/// Stands for the plain memory beside it: loom reports a write that races with a read or a write.
///
/// Costs nothing outside loom. Code that reads the memory calls [`read`](RaceProbe::read); code
/// that writes it or gives it back calls [`write`](RaceProbe::write).
#[derive(Debug, Default)]
pub(crate) struct RaceProbe {
    #[cfg(loom)]
    cell: loom::cell::UnsafeCell<()>,
}

impl RaceProbe {
    #[inline(always)]
    pub(crate) fn read(&self) {
        #[cfg(loom)]
        self.cell.with(|_| ());
    }

    #[inline(always)]
    pub(crate) fn write(&self) {
        #[cfg(loom)]
        self.cell.with_mut(|_| ());
    }
}
