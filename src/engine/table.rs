//! The table: lines, found by the hash of an id.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::TryReserveError;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::engine::line::{Line, LineAddress};
use crate::engine::prefetch::prefetch;

/// Tables of at least this size ask the kernel for huge pages, of this size: in a large table, a
/// lookup then misses the TLB less often (measured in `docs/design.md`).
const HUGE_PAGE: usize = 2 << 20;

/// Lines without entries, all of them written when the table is made.
pub(crate) struct Table<V> {
    lines: NonNull<[Line<V>]>,
    _lines: PhantomData<Line<V>>,
}

impl<V> Table<V> {
    pub(crate) fn new(count: usize) -> Result<Self, TryReserveError> {
        // For its error: the same allocation is all but sure to succeed after that.
        Vec::<Line<V>>::new().try_reserve_exact(count)?;
        let layout = Self::layout(count);
        // SAFETY: there is at least one line.
        let start = NonNull::new(unsafe { alloc(layout) }.cast::<Line<V>>());
        let start = start.unwrap_or_else(|| handle_alloc_error(layout));
        if layout.align() == HUGE_PAGE {
            advise_huge_pages(start.cast(), layout.size());
        }
        for i in 0..count {
            // SAFETY: inside the allocation.
            unsafe { start.add(i).write(Line::new()) };
        }
        Ok(Self {
            lines: NonNull::slice_from_raw_parts(start, count),
            _lines: PhantomData,
        })
    }

    fn layout(count: usize) -> Layout {
        let layout = Layout::array::<Line<V>>(count).expect("was reserved");
        if layout.size() < HUGE_PAGE {
            return layout;
        }
        layout.align_to(HUGE_PAGE).expect("was reserved")
    }

    #[inline(always)]
    fn all(&self) -> &[Line<V>] {
        // SAFETY: written in `new`, and there until this is dropped.
        unsafe { self.lines.as_ref() }
    }

    /// The number of lines.
    #[inline(always)]
    pub(crate) fn lines(&self) -> usize {
        self.lines.len()
    }

    #[inline(always)]
    pub(crate) fn line(&self, index: usize) -> &Line<V> {
        &self.all()[index]
    }

    pub(crate) fn lines_mut(&mut self) -> impl Iterator<Item = &mut Line<V>> {
        // SAFETY: as in `all`, and `&mut self`.
        unsafe { self.lines.as_mut() }.iter_mut()
    }

    #[inline]
    pub(crate) fn address(&self, hash: u64) -> LineAddress {
        LineAddress::new(hash, self.lines())
    }

    /// Brings a line near.
    #[inline]
    pub(crate) fn prefetch(&self, index: usize) {
        prefetch(self.line(index));
    }
}

impl<V> Drop for Table<V> {
    fn drop(&mut self) {
        let layout = Self::layout(self.lines());
        // SAFETY: allocated in `new` with the same layout, and its lines are dropped once.
        unsafe {
            ptr::drop_in_place(self.lines.as_ptr());
            dealloc(self.lines.cast().as_ptr(), layout);
        }
    }
}

fn advise_huge_pages(start: NonNull<u8>, len: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: advice on memory of our own, which changes nothing that a program can observe. An
    // error means that there are none to be had.
    let _ = unsafe {
        rustix::mm::madvise(
            start.cast().as_ptr(),
            len,
            rustix::mm::Advice::LinuxHugepage,
        )
    };
    #[cfg(not(target_os = "linux"))]
    let _ = (start, len);
}
