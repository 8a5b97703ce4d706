//! The C entry points in any order, with hostile lengths, against a model of the contract: a stored
//! session is returned, no call writes beyond the length that it got, a call that fails changes
//! nothing and says why. The address and leak sanitizers check references.
#![no_main]

mod calls;
#[path = "../../../tests/common/der.rs"]
mod der;
mod input;
mod model;
#[path = "../rules.rs"]
mod rules;
mod sessions;

use libfuzzer_sys::fuzz_target;

use input::Input;
use model::Model;

fuzz_target!(|input: Input| {
    let contexts_first = input.calls.len().is_multiple_of(2);
    let mut model = Model::default();
    for call in input.calls {
        model.call(call);
    }
    model.end(contexts_first);
});
