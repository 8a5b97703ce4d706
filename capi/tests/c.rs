//! The C API, from C: every test here is a C program, or looks at what C programs see.

mod common;
mod headers;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let trials = vec![Trial::test("headers", || Ok(headers::check()?))];
    libtest_mimic::run(&arguments, trials).exit();
}
