//! Which processors are used: the servers on some processors, all the same ones, the load generator
//! on others.

use rustix::thread::{CpuSet, sched_getaffinity};

/// A division of the processors that this process may use.
#[derive(Clone, Debug)]
pub(super) struct Cores {
    /// For the server that has its turn.
    pub(super) server: CpuSet,
    /// For clients and upstream.
    pub(super) generator: CpuSet,
    /// Whether both are the same, because there are too few.
    pub(super) shared: bool,
}

impl Cores {
    /// As many processors for the server as it has workers, the rest for the generator; where no
    /// rest would be left, both run on all.
    pub(super) fn for_workers(workers: usize) -> Self {
        let all = sched_getaffinity(None).expect("the system tells where we may run");
        let mut server = CpuSet::new();
        let mut generator = CpuSet::new();
        for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)) {
            if (server.count() as usize) < workers {
                server.set(cpu);
            } else {
                generator.set(cpu);
            }
        }
        let shared = generator.count() == 0;
        if shared {
            (server, generator) = (all, all);
        }
        Self {
            server,
            generator,
            shared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gets_processors_and_all_are_used() {
        let all = sched_getaffinity(None).unwrap().count();
        for workers in 1..=4 {
            let cores = Cores::for_workers(workers);
            let (server, generator) = (cores.server.count(), cores.generator.count());
            if cores.shared {
                assert!(all as usize <= workers);
                assert_eq!((server, generator), (all, all));
            } else {
                assert_eq!(server as usize, workers);
                assert_eq!(server + generator, all);
            }
        }
    }
}
