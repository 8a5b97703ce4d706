//! Handshakes in process: a client and a server on one thread, with a pipe in memory between them.
//!
//! Clients are OpenSSL as well, and cost the same whoever keeps the server's sessions. So handshakes
//! per second tell less than the CPU time of the server alone.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::Options;
use super::batch::{Costs, Visitors};
use super::servers::{Keeper, Server, Template, Way};
use crate::record::{Measurement, Recorder, case};
use crate::threads::on_threads;

/// Clients of each thread, where their sessions are in a cache. Elsewhere a few will do.
const VISITORS: usize = 256;
const FEW: usize = 32;

/// What is compared.
#[derive(Clone, Copy, Debug)]
struct Case {
    way: Way,
    threads: usize,
    /// In the cache, where the way leads through one.
    sessions: Option<usize>,
}

pub(super) fn run(options: &Options, recorder: &mut Recorder) {
    let cases = cases(options);
    let bar = recorder.progress("handshake, in process", cases.len());
    for case in cases {
        compare(case, options, recorder);
        bar.inc(1);
    }
}

fn cases(options: &Options) -> Vec<Case> {
    let mut cases = Vec::new();
    for way in Way::ALL {
        let sizes: Vec<_> = match way.looks_up() {
            true => options.sessions.iter().map(|s| Some(*s as usize)).collect(),
            false => vec![None],
        };
        for sessions in sizes {
            cases.extend(options.threads.iter().map(|&threads| Case {
                way,
                threads,
                sessions,
            }));
        }
    }
    cases
}

/// Runs every contender once a round, in turn.
fn compare(case: Case, options: &Options, recorder: &mut Recorder) {
    let contenders = case.way.contenders().into_iter();
    let contenders: Vec<_> = contenders
        .map(|(name, keeper)| (name, Contender::new(case, keeper, options)))
        .collect();
    let mut turns = vec![Vec::new(); contenders.len()];
    for _ in 0..options.rounds {
        for ((_, contender), turns) in contenders.iter().zip(&mut turns) {
            turns.push(contender.turn(options.turn()));
        }
    }
    for quantity in QUANTITIES {
        let measured = contenders.iter().zip(&turns);
        let measured = measured.map(|((name, _), turns)| quantity.of(name, case, turns));
        recorder.add(measured.collect());
    }
}

struct Quantity {
    name: &'static str,
    unit: &'static str,
    /// Whose, where that makes a difference.
    side: Option<&'static str>,
    value: fn(&Turn) -> f64,
}

const QUANTITIES: [Quantity; 3] = [
    Quantity {
        name: "handshakes per second",
        unit: "1/s",
        side: None,
        value: |turn| turn.rate,
    },
    Quantity {
        name: "CPU time per handshake",
        unit: "us",
        side: Some("server"),
        value: |turn| micros(turn.costs.server, turn.costs.handshakes),
    },
    Quantity {
        name: "CPU time per handshake",
        unit: "us",
        side: Some("client and server"),
        value: |turn| micros(turn.costs.both, turn.costs.handshakes),
    },
];

impl Quantity {
    fn of(&self, contender: &str, of: Case, turns: &[Turn]) -> Measurement {
        let mut case = case([
            ("where", "in process".into()),
            ("way", of.way.to_string()),
            ("threads", of.threads.to_string()),
        ]);
        if let Some(sessions) = of.sessions {
            case.insert("sessions".into(), sessions.to_string());
        }
        if let Some(side) = self.side {
            case.insert("side".into(), side.into());
        }
        Measurement {
            part: "handshake".into(),
            quantity: self.name.into(),
            unit: self.unit.into(),
            case,
            contender: contender.into(),
            samples: turns.iter().map(self.value).collect(),
        }
    }
}

fn micros(time: Duration, handshakes: usize) -> f64 {
    time.as_nanos() as f64 / 1e3 / handshakes as f64
}

/// What came out of a contender's turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// Handshakes per second of all threads.
    rate: f64,
    /// The sum over all threads.
    costs: Costs,
}

impl Turn {
    /// CPU time of the server for a handshake, in microseconds.
    pub(crate) fn server_micros(&self) -> f64 {
        micros(self.costs.server, self.costs.handshakes)
    }
}

/// A server, and clients of it on each thread who have been there before.
pub(crate) struct Contender {
    pub(crate) server: Server,
    visitors: Vec<Mutex<Visitors>>,
}

impl Contender {
    /// A server with so many sessions in its cache, if it has one, the clients' sessions included.
    /// Resumptions of TLS 1.3 will add others.
    fn new(case: Case, keeper: Keeper, options: &Options) -> Self {
        let Case {
            way,
            threads,
            sessions,
        } = case;
        // With room for several times as many as there will be. In a cache that is full, sessions go
        // to make room, and a client whose session went would not resume; and of ours a line of
        // eight may be full long before the whole cache is.
        let room = sessions.map_or(OPENSSL_DEFAULT, |s| 4 * (s + options.made_by(threads)));
        // In TLS 1.3 each of them leaves three sessions by the time it is known.
        let visitors = sessions.map_or(FEW, |s| VISITORS.min(s / (8 * threads)));
        let this = Self::with_visitors(way, Server::new(keeper, room), threads, visitors);
        if let Some(sessions) = sessions {
            this.fill(way, sessions);
        }
        this
    }

    /// A server with `visitors` clients on each thread, who all have come back once.
    pub(crate) fn with_visitors(way: Way, server: Server, threads: usize, visitors: usize) -> Self {
        let welcome = || {
            let mut visitors = Visitors::new(way.client(), visitors, way.resumes());
            if way.resumes() {
                visitors.all_visit(&server.context);
                visitors.all_visit(&server.context);
            }
            let fits = visitors.session().is_some_and(|session| way.fits(session));
            assert_eq!(fits, way.resumes(), "{way} has its own kind of session");
            Mutex::new(visitors)
        };
        let visitors = (0..threads).map(|_| welcome()).collect();
        Self { server, visitors }
    }

    /// Adds sessions of others to the cache, up to so many.
    fn fill(&self, way: Way, sessions: usize) {
        let template = Template::new(&self.server, &way.client());
        let mut rng = StdRng::seed_from_u64(sessions as u64);
        for _ in self.server.sessions()..sessions {
            self.server.insert(template.fresh(&mut rng).0);
        }
        let filled = self.server.sessions();
        let most = sessions - sessions / 1_000..=sessions;
        assert!(most.contains(&filled), "{filled} sessions");
    }

    /// Lets the clients of all threads come again and again for the length of a turn.
    ///
    /// # Panics
    ///
    /// When one that should resume does not, or the other way round.
    pub(crate) fn turn(&self, length: Duration) -> Turn {
        let server = &self.server.context;
        let prepare = |thread: usize| {
            let mut visitors = self.visitors[thread].lock().expect("not poisoned");
            // A new thread seeds its random numbers first.
            visitors.visit(server);
            visitors
        };
        let of_threads = on_threads(self.visitors.len(), prepare, |mut visitors| {
            let start = Instant::now();
            let mut costs = visitors.visit(server);
            while start.elapsed() < length {
                costs = costs + visitors.visit(server);
            }
            costs
        });
        let rate = |costs: &Costs| costs.handshakes as f64 / costs.wall.as_secs_f64();
        Turn {
            rate: of_threads.iter().map(rate).sum(),
            costs: of_threads.into_iter().sum(),
        }
    }
}

/// Sessions that an `SSL_CTX` has room for unless it is told.
const OPENSSL_DEFAULT: usize = 20_480;
