//! Writers are lock-free: one that is frozen at any step stops no other thread.
//!
//! For every atomic step that a scenario makes, a thread is frozen just before it while others
//! complete ten thousand operations, and until all checks are over. Then it goes on, and what it
//! was told must fit what the others were told (`history.rs`).
//!
//! Compiled for this alone: `tests/with-steps --test frozen`.

#[cfg(rekindle_steps)]
mod between;
#[cfg(rekindle_steps)]
mod bystanders;
#[cfg(rekindle_steps)]
#[path = "../common/calls.rs"]
mod calls;
#[cfg(rekindle_steps)]
mod company;
#[cfg(rekindle_steps)]
mod freeze;
#[cfg(rekindle_steps)]
mod halted;
#[cfg(rekindle_steps)]
#[path = "../common/history.rs"]
mod history;
#[cfg(rekindle_steps)]
mod hooks;
#[cfg(rekindle_steps)]
mod nested;
#[cfg(rekindle_steps)]
mod peer;
#[cfg(rekindle_steps)]
mod scaling;
#[cfg(rekindle_steps)]
mod scenarios;
#[cfg(rekindle_steps)]
mod sites;
#[cfg(rekindle_steps)]
mod strikes;
#[cfg(rekindle_steps)]
mod subject;
#[cfg(rekindle_steps)]
mod wait_free;

#[cfg(rekindle_steps)]
fn main() {
    let mut arguments = libtest_mimic::Arguments::from_args();
    // A frozen thread holds back the memory of every cache of the process.
    arguments.test_threads = Some(1);
    let mut trials = freeze::trials();
    trials.extend(hooks::trials());
    trials.extend(strikes::trials());
    trials.extend(between::trials());
    if std::env::var("REKINDLE_TIER").as_deref() != Ok("quick") {
        trials.extend(nested::trials());
    }
    trials.extend(wait_free::trials());
    trials.extend(scaling::trials());
    libtest_mimic::run(&arguments, trials).exit();
}

#[cfg(not(rekindle_steps))]
fn main() {
    println!("nothing to run: use `tests/with-steps --test frozen`");
}
