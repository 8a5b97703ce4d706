//! Dropping many things, should the destructor of one panic.

/// Drops all that an iterator yields; where a destructor panics, the others as well.
pub(crate) fn drop_all<T>(items: impl Iterator<Item = T>) {
    struct Rest<I: Iterator>(I);
    impl<I: Iterator> Drop for Rest<I> {
        fn drop(&mut self) {
            self.0.by_ref().for_each(drop);
        }
    }
    Rest(items).0.by_ref().for_each(drop);
}
