//! Another Rust library that a C program may contain beside ours.

/// Returns 42 if unwinding works.
#[unsafe(no_mangle)]
pub extern "C" fn panics_and_catches() -> i32 {
    std::panic::set_hook(Box::new(|_| ()));
    match std::panic::catch_unwind(|| panic!("caught below")) {
        Ok(()) => 0,
        Err(_) => 42,
    }
}
