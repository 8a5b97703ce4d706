//! Atomics that call a test before each access: it can stop a thread between any two steps, count
//! them, or let others run in between. Only with `--cfg rekindle_steps`.
//!
//! A step is known by the place in the sources that makes it, so that none can be forgotten; steps
//! that are no access to an atomic (an allocation, the middle of a copy) have a name.

use std::cell::RefCell;
use std::panic::Location;
pub(crate) use std::sync::atomic::Ordering;

/// What a thread is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// The atomic operation, or the name of the point.
    pub name: &'static str,
    /// Where in the sources.
    pub at: &'static Location<'static>,
}

type Watcher = Box<dyn FnMut(Step)>;

std::thread_local! {
    static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
}

/// Calls `watcher` before each step that the calling thread makes inside `f`. The watcher's own
/// steps are not watched.
pub fn watch<R>(watcher: impl FnMut(Step) + 'static, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Watcher>);
    impl Drop for Restore {
        fn drop(&mut self) {
            set(self.0.take());
        }
    }
    let _restore = Restore(set(Some(Box::new(watcher))));
    f()
}

fn set(watcher: Option<Watcher>) -> Option<Watcher> {
    WATCHER.with(|slot| slot.replace(watcher))
}

#[track_caller]
fn step(name: &'static str) {
    let at = Location::caller();
    // Neither while the watcher runs nor in the destructors of a thread that is over.
    let _ = WATCHER.try_with(|slot| {
        if let Ok(mut slot) = slot.try_borrow_mut()
            && let Some(watcher) = slot.as_mut()
        {
            watcher(Step { name, at });
        }
    });
}

/// A step that is no access to an atomic of ours.
#[track_caller]
pub(crate) fn pause_point(name: &'static str) {
    step(name);
}

/// See [`std::sync::atomic::fence`].
#[track_caller]
pub(crate) fn fence(order: Ordering) {
    step("fence");
    std::sync::atomic::fence(order);
}

macro_rules! atomics {
    ($(
        $name:ident $(<$param:ident>)? of $value:ty: [$($exchange:ident)?] $($method:ident)*;
    )*) => {$(
        /// See the type of the same name in [`std::sync::atomic`].
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub(crate) struct $name $(<$param>)? (std::sync::atomic::$name $(<$param>)?);

        impl $(<$param>)? $name $(<$param>)? {
            pub(crate) const fn new(value: $value) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $value {
                step("load");
                self.0.load(order)
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                step("store");
                self.0.store(value, order);
            }

            $(#[track_caller]
            pub(crate) fn $exchange(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                step(stringify!($exchange));
                self.0.$exchange(old, new, success, failure)
            })?

            $(#[track_caller]
            pub(crate) fn $method(&self, value: $value, order: Ordering) -> $value {
                step(stringify!($method));
                self.0.$method(value, order)
            })*
        }
    )*};
}

atomics! {
    AtomicBool of bool: [compare_exchange] swap;
    AtomicPtr<T> of *mut T: [compare_exchange];
    AtomicU8 of u8: [compare_exchange];
    AtomicU32 of u32: [];
    AtomicU64 of u64: [] swap fetch_add fetch_max fetch_min;
    AtomicUsize of usize: [] fetch_add fetch_max;
}
