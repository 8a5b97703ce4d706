//! Handshakes in process: a client and a server on one thread, with a pipe in memory between them.
//!
//! Clients are OpenSSL as well, and cost the same whoever keeps the server's sessions. So handshakes
//! per second tell less than the CPU time of the server alone.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::Options;
use super::batch::{Costs, Visitors};
use super::servers::{Keeper, Server, Template, Way};
use super::threads::on_threads;
use crate::record::{Measurement, Recorder, case};

/// Clients of each thread.
const VISITORS: usize = 256;

pub(super) fn run(options: &Options, recorder: &mut Recorder) {
    let mut cases = Vec::new();
    for way in Way::ALL {
        for &threads in &options.threads {
            if way.looks_up() {
                let sizes = options.sessions.iter();
                cases.extend(sizes.map(|s| (way, threads, Some(*s as usize))));
            } else {
                cases.push((way, threads, None));
            }
        }
    }
    let bar = recorder.progress("handshake, in process", cases.len());
    for (way, threads, sessions) in cases {
        let contenders = way
            .contenders()
            .into_iter()
            .map(|(name, keeper)| Contender::new(name, way, keeper, threads, sessions, options));
        let contenders: Vec<_> = contenders.collect();
        let mut costs = vec![Vec::new(); contenders.len()];
        for _ in 0..options.rounds {
            for (contender, costs) in contenders.iter().zip(&mut costs) {
                costs.push(contender.turn(options.turn()));
            }
        }
        let mut shared = case([
            ("where", "in process".into()),
            ("way", way.to_string()),
            ("threads", threads.to_string()),
        ]);
        if let Some(sessions) = sessions {
            shared.insert("sessions".into(), sessions.to_string());
        }
        for quantity in QUANTITIES {
            let measured = contenders.iter().zip(&costs);
            let measured = measured.map(|(c, costs)| quantity.of(c.name, &shared, costs));
            recorder.add(measured.collect());
        }
        bar.inc(1);
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
    fn of(&self, contender: &str, case: &BTreeMap<String, String>, turns: &[Turn]) -> Measurement {
        let mut case = case.clone();
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
    pub(crate) name: &'static str,
    pub(crate) server: Server,
    visitors: Vec<Mutex<Visitors>>,
}

impl Contender {
    /// A server with so many sessions in its cache, if it has one, the clients' sessions included.
    /// Resumptions of TLS 1.3 will add others.
    fn new(
        name: &'static str,
        way: Way,
        keeper: Keeper,
        threads: usize,
        sessions: Option<usize>,
        options: &Options,
    ) -> Self {
        // With room for several times as many as there will be. In a cache that is full, sessions go
        // to make room, and a client whose session went would not resume; and of ours a line of
        // eight may be full long before the whole cache is.
        let room = sessions.map_or(OPENSSL_DEFAULT, |s| 4 * (s + options.made_by(threads)));
        // In TLS 1.3 each of them leaves three sessions by the time it is known.
        let visitors = VISITORS.min(sessions.unwrap_or(usize::MAX) / (8 * threads));
        let this = Self::with_visitors(name, way, Server::new(keeper, room), threads, visitors);
        if let Some(sessions) = sessions {
            this.fill(way, sessions);
        }
        this
    }

    /// A server with `visitors` clients on each thread, who all have come back once.
    pub(crate) fn with_visitors(
        name: &'static str,
        way: Way,
        server: Server,
        threads: usize,
        visitors: usize,
    ) -> Self {
        let welcome = || {
            let mut visitors = Visitors::new(way.client(), visitors, way.resumes());
            visitors.all_visit(&server.context);
            visitors.all_visit(&server.context);
            let fits = visitors.session().is_some_and(|session| way.fits(session));
            assert_eq!(fits, way.resumes(), "{way} has its own kind of session");
            Mutex::new(visitors)
        };
        let visitors = (0..threads).map(|_| welcome()).collect();
        Self {
            name,
            server,
            visitors,
        }
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
        assert!(most.contains(&filled), "{filled} in {}", self.name);
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
            let mut costs = Costs::default();
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
