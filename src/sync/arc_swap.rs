//! What the ring is swapped with: arc-swap, or its stand-in under loom.
//!
//! arc-swap does not run under loom. Outside loom this file is two names and nothing else. The
//! stand-in promises what arc-swap documents, and no more: a load acquires what the store of that
//! value released, and the value stays as long as a guard on it lives; a store replaces the whole
//! value, and the old one is dropped with its last guard; while a store is under way a load may
//! find the older value or the newer one, after it only the newer.
//!
//! So models with it check what the ring and its users make of those promises: one load for
//! each handshake, a snapshot that does not change, updates of the whole ring, memory that is
//! written before it is published and wiped after the last snapshot. They do not check how arc-swap
//! keeps them (its debts and their SeqCst orderings): that is for its own tests.

#[cfg(not(loom))]
pub(crate) use arc_swap::{ArcSwap, Guard};
#[cfg(loom)]
pub(crate) use stand_in::{ArcSwap, Guard};

/// Puts `new` in place of `current`, if that is in force still. Whether it did.
#[cfg(not(loom))]
pub(crate) fn replace<T>(
    swap: &ArcSwap<T>,
    current: &Guard<std::sync::Arc<T>>,
    new: std::sync::Arc<T>,
) -> bool {
    let found = swap.compare_and_swap(current, new);
    std::sync::Arc::ptr_eq(&found, current)
}
#[cfg(loom)]
pub(crate) use stand_in::replace;

#[cfg(loom)]
mod stand_in {
    use std::mem;
    use std::ops::Deref;
    use std::sync::{Arc, Mutex};

    use crate::sync::{AtomicU8, AtomicUsize, Ordering, Track};

    pub(crate) struct ArcSwap<T> {
        /// Number of the value in force. All that loom is to order goes through here.
        current: AtomicUsize,
        /// Values by number, until the store that replaced them is over. Loom does not see this
        /// mutex, so it orders nothing; and since loom runs one thread at a time and nothing below
        /// gives way while it is held, no thread ever waits for it.
        values: Mutex<Vec<Option<Guard<Arc<T>>>>>,
    }

    /// A share of a value. It is dropped with the last one.
    pub(crate) struct Guard<A> {
        value: Arc<Value<A>>,
    }

    struct Value<A> {
        pointer: A,
        number: usize,
        /// Stands for the value's memory: loom reports a look at it that its creation does not
        /// happen before, or that does not happen before its end. Not a `RaceProbe`, which cannot
        /// be shared without unsafe code.
        memory: AtomicU8,
        /// As the reference count in an `Arc`: what any holder did comes before the end.
        left: AtomicUsize,
        /// Loom reports a value that is never dropped.
        _allocation: Track<()>,
    }

    impl<T> ArcSwap<T> {
        pub(crate) fn from_pointee(value: T) -> Self {
            Self {
                current: AtomicUsize::new(0),
                values: Mutex::new(vec![Some(Guard::new(Arc::new(value), 0))]),
            }
        }

        pub(crate) fn load(&self) -> Guard<Arc<T>> {
            // Acquire pairs with the Release of `store`. Between an access to an atomic and the
            // next one loom lets no other thread run: what is found is still there.
            let found = self.current.load(Ordering::Acquire);
            self.share(found).unwrap_or_else(|| {
                // An old number whose store is over. arc-swap would notice when it looks a second
                // time, after it has left word of what it found; a read-modify-write cannot find
                // an old one.
                let latest = self.current.fetch_add(0, Ordering::Acquire);
                self.share(latest).expect("in force")
            })
        }

        fn prepare(&self, value: Arc<T>) -> usize {
            let mut values = self.values.lock().expect("no panic in here");
            let number = values.len();
            values.push(Some(Guard::new(value, number)));
            number
        }

        fn end(&self, number: usize) {
            let mut values = self.values.lock().expect("no panic in here");
            let old = mem::take(&mut values[number]);
            drop(values);
            drop(old.expect("each value ends once"));
        }

        fn share(&self, number: usize) -> Option<Guard<Arc<T>>> {
            let values = self.values.lock().expect("no panic in here");
            values[number].as_ref().map(Guard::share)
        }
    }

    pub(crate) fn replace<T>(swap: &ArcSwap<T>, current: &Guard<Arc<T>>, new: Arc<T>) -> bool {
        let new = swap.prepare(new);
        // Release pairs with the Acquire of `load`; Acquire, as the old value's end may be ours.
        let (acq_rel, acquire) = (Ordering::AcqRel, Ordering::Acquire);
        let current = current.value.number;
        let swapped = swap
            .current
            .compare_exchange(current, new, acq_rel, acquire);
        if swapped.is_ok() {
            // Here arc-swap looks for readers that have left word. Loom lets others run before each
            // access that could matter to them: in between they may find either value.
            swap.current.fetch_add(0, Ordering::Relaxed);
            swap.end(current);
        } else {
            swap.end(new);
        }
        swapped.is_ok()
    }

    impl<A> Guard<A> {
        fn new(pointer: A, number: usize) -> Self {
            Self {
                value: Arc::new(Value {
                    pointer,
                    number,
                    memory: AtomicU8::new(0),
                    left: AtomicUsize::new(0),
                    _allocation: Track::new(()),
                }),
            }
        }

        fn share(&self) -> Self {
            Self {
                value: Arc::clone(&self.value),
            }
        }
    }

    impl<A> Deref for Guard<A> {
        type Target = A;

        fn deref(&self) -> &A {
            self.value.memory.load(Ordering::Relaxed);
            &self.value.pointer
        }
    }

    impl<A> Drop for Guard<A> {
        fn drop(&mut self) {
            // The last has acquired what all before released, and no other thread runs between
            // this and the end of the `Arc`.
            self.value.left.fetch_add(1, Ordering::AcqRel);
        }
    }

    impl<A> Drop for Value<A> {
        fn drop(&mut self) {
            self.memory.with_mut(|_| ());
        }
    }
}
