//! How fast a machine takes in what others have made.

use std::time::Duration;

use rekindle_test_servers::RedisServer;

use super::machine::{Machine, client, wait_for};
use crate::process::{cpu_time_of_process, cpu_time_of_thread};
use crate::record::{Record, case};
use crate::tls::HandshakeKind;

/// Reads what is there as a machine that joins, at the highest rate. By the CPU time of its thread.
pub(super) fn run(sessions: usize, rounds: usize, record: &mut Record) {
    let store = RedisServer::start();
    let a = Machine::of_fleet(&store.url(), |fleet| fleet.queue(sessions));
    a.wait_for_store();
    let client = client(HandshakeKind::Tls12Id);
    for _ in 0..sessions {
        a.visit(&client, None);
    }
    wait_for("all sessions", || {
        a.fleet().stats().published >= sessions as u64
    });
    let rate = |_| {
        let (process, thread) = (cpu_time_of_process(), cpu_time_of_thread());
        let b = Machine::of_fleet(&store.url(), |fleet| fleet.join_rate(u32::MAX));
        wait_for("all sessions", || {
            std::thread::sleep(Duration::from_millis(5));
            b.fleet().stats().caught_up >= sessions as u64
        });
        let thread = cpu_time_of_thread() - thread;
        let cpu = (cpu_time_of_process() - process).saturating_sub(thread);
        sessions as f64 / cpu.as_secs_f64()
    };
    let rates = (0..rounds).map(rate).collect();
    let case = case([("sessions", sessions.to_string())]);
    let what = ["fleet", "sessions that one core follows", "1/s"];
    record.add_case(what, &case, [("rekindle", rates)]);
}
