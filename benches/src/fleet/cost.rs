//! What sharing costs full handshakes: with the store up, down and frozen, beside a machine alone.
//!
//! The CPU time is the server's side of each handshake, and that of the fleet's own thread. The
//! client's side, which runs in the same process, is not counted.

use std::time::Duration;

use openssl::ssl::SslContext;
use rekindle_fleet::FleetBuilder;
use rekindle_test_servers::RedisServer;

use super::machine::{Machine, Took, client};
use crate::record::{Record, case, interleave, quantile};
use crate::tls::HandshakeKind;

/// A turn of one machine.
struct Turn {
    /// Microseconds of CPU for each handshake.
    micros: f64,
    /// What of it the fleet's thread has used.
    of_fleet: f64,
    /// Milliseconds that the slowest in a thousand took.
    p999: f64,
}

pub(super) fn run(rounds: usize, handshakes: usize, record: &mut Record) {
    // One that is full when the first round ends: until then, memory is touched for the first time.
    let set = |fleet: FleetBuilder| fleet.queue(handshakes);
    let (up, frozen) = (RedisServer::start(), RedisServer::start());
    let mut down = RedisServer::start();
    let away = down.url();
    for kind in [HandshakeKind::FullTls12, HandshakeKind::FullTls13] {
        let machines = [
            ("alone", Machine::alone()),
            ("store up", Machine::of_fleet(&up.url(), set)),
            ("store frozen", Machine::of_fleet(&frozen.url(), set)),
            ("store down", Machine::of_fleet(&away, set)),
        ];
        machines[1..]
            .iter()
            .for_each(|(_, machine)| machine.wait_for_store());
        down.kill();
        frozen.freeze();
        let client = client(kind);
        let turns = interleave(0..=rounds, &machines, |(_, machine), _| {
            turn(machine, &client, handshakes)
        });
        let case = case([("kind", kind.to_string())]);
        let names = machines.iter().map(|(name, _)| *name);
        let cpu = ["fleet", "server's CPU time per handshake", "us"];
        record.add_turns(cpu, &case, names.clone(), &turns, |turn| turn.micros);
        let own = ["fleet", "of it, the fleet's thread", "us"];
        record.add_turns(own, &case, names.clone(), &turns, |turn| turn.of_fleet);
        let tail = ["fleet", "p99.9 of a handshake, the server's side", "us"];
        record.add_turns(tail, &case, names, &turns, |turn| turn.p999);
        frozen.thaw();
        down.restart();
    }
}

fn turn(machine: &Machine, client: &SslContext, handshakes: usize) -> Turn {
    let before = machine.cpu_time_of_fleet();
    let took: Vec<Took> = (0..handshakes)
        .map(|_| machine.visit(client, None).took)
        .collect();
    // What was left to do.
    std::thread::sleep(Duration::from_millis(50));
    let of_fleet = machine.cpu_time_of_fleet() - before;
    let server: Duration = took.iter().map(|took| took.cpu).sum();
    let wall: Vec<f64> = (took.iter())
        .map(|took| took.wall.as_secs_f64() * 1e6)
        .collect();
    Turn {
        of_fleet: of_fleet.as_secs_f64() * 1e6 / handshakes as f64,
        micros: (server + of_fleet).as_secs_f64() * 1e6 / handshakes as f64,
        p999: quantile(&wall, 0.999),
    }
}
