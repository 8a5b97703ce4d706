//! Hints to the processor. They change nothing that a program can observe.
#![allow(unsafe_code)]

/// Asks for the cache line at an address, valid or not, to be brought near.
#[inline(always)]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not access memory; every x86-64 processor has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// As [`prefetch`], for each cache line of `len` bytes.
#[inline(always)]
pub(crate) fn prefetch_all<T>(start: *const T, len: usize) {
    for offset in (0..len).step_by(64) {
        prefetch(start.cast::<u8>().wrapping_add(offset));
    }
}
