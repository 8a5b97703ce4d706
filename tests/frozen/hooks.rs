//! The list of session hooks, with a thread that is frozen while it adds one or runs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Trial;
use rekindle::hooks::{SessionEvent, SessionHooks};

use crate::halted::Halted;
use crate::subject::id;

const OTHERS: usize = 200;

type Act = fn(&SessionHooks);

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, act: Act| {
        Trial::test(format!("hooks::{name}"), move || {
            let mut step = 0;
            while freeze(act, step) {
                step += 1;
            }
            assert!(step > 0, "the thread made no step");
            Ok(())
        })
    };
    vec![
        trial("run_though_another_is_still_being_added", |hooks| {
            hooks.add(|_, _| {});
        }),
        trial("run_though_another_thread_is_still_running_them", run),
    ]
}

fn run(hooks: &SessionHooks) {
    hooks.run(SessionEvent::New, &id(0));
}

/// Freezes a thread at one of its steps while another adds hooks; each must run from the moment
/// that it was added. False when the thread made fewer steps.
fn freeze(act: Act, step: usize) -> bool {
    let hooks = Arc::new(SessionHooks::new());
    hooks.add(|_, _| {});
    let theirs = Arc::clone(&hooks);
    let mut to_go = step;
    let halt = move |_: &_| {
        to_go = to_go.wrapping_sub(1);
        to_go == usize::MAX
    };
    let Ok(victim) = Halted::start(|| (), move || act(&theirs), halt) else {
        return false;
    };
    let ran = Arc::new(AtomicUsize::new(0));
    for added in 1..=OTHERS {
        let count = Arc::clone(&ran);
        hooks.add(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let before = ran.load(Ordering::Relaxed);
        run(&hooks);
        let now = ran.load(Ordering::Relaxed) - before;
        assert_eq!(now, added, "hooks ran of those that were added");
    }
    victim.finish();
    assert!(hooks.len() > OTHERS);
    true
}
