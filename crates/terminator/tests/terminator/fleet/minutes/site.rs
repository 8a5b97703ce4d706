//! The machines, the balancer and the store.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rekindle_test_servers::{Configured, Files, Link, RedisServer, TlsClient};

use super::SHARES_AGAIN;
use super::clients::{Kind, visit};
use crate::common::{Terminator, ticket_secret};
use crate::fleet::reach_the_store;

const MACHINES: usize = 5;

/// What a session needs to reach another machine, in a quiet hour.
const A_MOMENT: Duration = Duration::from_millis(50);

pub(super) struct Site {
    pub(super) store: RedisServer,
    /// Of the last machine, and before that of all others.
    pub(super) links: [Link; 2],
    pub(super) balancer: Configured,
    machines: [Terminator; MACHINES],
}

/// What all machines have counted.
#[derive(Debug)]
pub(super) struct Counters {
    /// Connections to the store that failed.
    pub(super) store_errors: u64,
    /// Sessions that were not shared.
    pub(super) dropped: u64,
    /// Sessions that were fetched for a client.
    pub(super) fetched: u64,
    /// Sessions that were announced, or read after an outage.
    pub(super) replicated: u64,
}

impl Site {
    /// None if something is not installed.
    pub(super) fn start(sharing: &str) -> Option<Self> {
        if !RedisServer::is_installed("five machines whose store fails") {
            return None;
        }
        let store = RedisServer::start();
        let links = [(); 2].map(|()| Link::to(store.port()));
        let files = Files::new();
        files.replace("secret", ticket_secret(3_600).as_bytes());
        let machines = std::array::from_fn(|number| {
            let link = &links[usize::from(number + 1 == MACHINES)];
            Terminator::demo(&format!(
                "--threads 1 --tickets off --fleet redis://{} --fleet-secret {} \
                 --fleet-sharing {sharing}",
                link.address(),
                files.text("secret")
            ))
        });
        reach_the_store(&machines.each_ref());
        let addresses = machines.each_ref().map(|machine| machine.address);
        Some(Self {
            balancer: Configured::round_robin(&addresses)?,
            store,
            links,
            machines,
        })
    }

    /// Waits until what each machine makes resumes on the next one: how long that took. Gives up
    /// after [`SHARES_AGAIN`]. And why handshakes failed.
    pub(super) fn until_it_shares(&self) -> (Duration, Vec<String>) {
        let (begin, mut failed) = (Instant::now(), Vec::new());
        for (number, from) in self.machines.iter().enumerate() {
            let to = &self.machines[(number + 1) % MACHINES];
            let mut shares = || {
                shares(&Kind::Tls12Id.client(), from, to).unwrap_or_else(|error| {
                    failed.push(error.to_string());
                    false
                })
            };
            while !shares() && begin.elapsed() < SHARES_AGAIN {}
        }
        (begin.elapsed(), failed)
    }

    pub(super) fn counters(&self) -> Counters {
        let pages = self
            .machines
            .each_ref()
            .map(|machine| machine.admin("/metrics").1);
        let sum = |series: &str| {
            let lines = pages.iter().flat_map(|page| page.lines());
            let values = lines.filter_map(|line| {
                let (name, value) = line.rsplit_once(' ')?;
                let is_of = name.strip_prefix("rekindle_fleet_")?.starts_with(series);
                is_of.then(|| value.parse::<u64>().expect("a number"))
            });
            values.sum()
        };
        Counters {
            store_errors: sum("store_errors_total"),
            dropped: sum("dropped_total"),
            fetched: sum("fetches_total{result=\"found\"}"),
            replicated: sum("received_total{what=\"announced\"}")
                + sum("received_total{what=\"caught_up\"}"),
        }
    }

    /// Of the largest machine, in bytes.
    pub(super) fn memory(&self) -> u64 {
        let all = self.machines.iter().map(Terminator::memory);
        all.max().unwrap_or_default()
    }
}

impl Counters {
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            store_errors: self.store_errors - before.store_errors,
            dropped: self.dropped - before.dropped,
            fetched: self.fetched - before.fetched,
            replicated: self.replicated - before.replicated,
        }
    }
}

/// Whether a session of one machine resumes on another one.
fn shares(client: &TlsClient, from: &Terminator, to: &Terminator) -> io::Result<bool> {
    visit(client, from.address)?;
    sleep(A_MOMENT);
    Ok(visit(client, to.address)?.0)
}
