use std::collections::BTreeMap;
use std::mem::size_of_val;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixListener;
use std::thread;
use std::{io, iter};

use rekindle_test_servers::{BlackHole, DEADLINE, Files};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use tokio::runtime;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A port that refuses connections until it listens. No other socket can take it.
struct Port(Socket, SocketAddr);

impl Port {
    fn refusing() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).expect("a free port");
        let address = socket.local_addr().expect("it has an address");
        Self(socket, address.as_socket().expect("an address of IP"))
    }

    fn listening() -> Self {
        let port = Self::refusing();
        port.listen();
        port
    }

    fn listen(&self) {
        self.0.listen(1_000).expect("it listens");
    }

    fn name(&self) -> String {
        self.1.to_string()
    }
}

fn addresses<const N: usize>(names: [&str; N]) -> Vec<UpstreamAddress> {
    names.map(|name| name.parse().expect("an address")).into()
}

fn pool<const N: usize>(ports: [&Port; N]) -> Upstreams {
    let names = ports.map(Port::name);
    Upstreams::new(addresses(names.each_ref().map(String::as_str)))
}

/// How many of the connections each upstream gets.
async fn connect_times(upstreams: &Upstreams, times: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..times {
        let connection = upstreams
            .connect(&upstreams.in_use(), DEADLINE)
            .await
            .expect("one is up");
        *counts.entry(connection.upstream().to_owned()).or_default() += 1;
    }
    counts
}

/// Lets time pass for the health of the upstreams.
fn pass(upstreams: &mut Upstreams, time: Duration) {
    upstreams.start -= time;
}

fn failures(upstreams: &Upstreams) -> Vec<u64> {
    let statuses = upstreams.statuses().into_iter();
    statuses.map(|status| status.failures).collect()
}

#[test]
fn connections_of_all_threads_are_spread_evenly() {
    let ports = [(); 3].map(|()| Port::listening());
    let upstreams = pool(ports.each_ref());
    let run = || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(connect_times(&upstreams, 50))
    };
    let mut sum = BTreeMap::new();
    thread::scope(|scope| {
        for thread in [(); 3].map(|()| scope.spawn(run)) {
            for (name, count) in thread.join().expect("it ends") {
                *sum.entry(name).or_default() += count;
            }
        }
    });
    let even = ports.iter().map(|port| (port.name(), 50)).collect();
    assert_eq!(sum, even);
}

#[tokio::test]
async fn the_share_of_one_that_is_down_goes_to_all_others_alike() {
    let (down, up) = (Port::refusing(), [(); 3].map(|()| Port::listening()));
    let upstreams = pool([&up[0], &down, &up[1], &up[2]]);
    // It is down by the second connection.
    connect_times(&upstreams, 2).await;
    let counts = connect_times(&upstreams, 30).await;
    let even = up.iter().map(|port| (port.name(), 10)).collect();
    assert_eq!(counts, even);
    assert_eq!(failures(&upstreams), [0, 1, 0, 0]);
}

#[tokio::test]
async fn one_that_is_down_is_passed_over_and_is_whole_again_after_a_trial() {
    let (sick, well) = (Port::refusing(), Port::listening());
    let mut upstreams = pool([&sick, &well]);
    assert_eq!((upstreams.healthy(), upstreams.total()), (2, 2));
    let only = |times| BTreeMap::from([(well.name(), times)]);
    assert_eq!(connect_times(&upstreams, 3).await, only(3));
    assert_eq!(upstreams.healthy(), 1);
    assert_eq!(failures(&upstreams), [1, 0]);

    // Each trial that fails goes on to the other one.
    for (pause, failed) in [(1, 2), (2, 3), (4, 4)] {
        pass(&mut upstreams, pause * SECOND);
        assert_eq!(upstreams.healthy(), 2, "it is due for a trial");
        assert_eq!(connect_times(&upstreams, 5).await, only(5));
        assert_eq!(failures(&upstreams), [failed, 0]);
    }

    sick.listen();
    assert_eq!(connect_times(&upstreams, 5).await, only(5));
    pass(&mut upstreams, 8 * SECOND);
    connect_times(&upstreams, 1).await;
    assert_eq!(upstreams.healthy(), 2);
    let both = [&sick, &well].map(|port| (port.name(), 5)).into();
    assert_eq!(connect_times(&upstreams, 10).await, both);
    assert_eq!(failures(&upstreams), [4, 0]);
}

#[tokio::test]
async fn a_trial_that_hears_nothing_holds_its_client_up_for_a_second() {
    let (silent, well) = (
        BlackHole::new((Ipv4Addr::LOCALHOST, 0).into()),
        Port::listening(),
    );
    let silent = silent.address().to_string();
    let mut upstreams = Upstreams::new(addresses([&silent, &well.name()]));
    // It is first, and gets its share of the time.
    let connected = upstreams
        .connect(&upstreams.in_use(), 2 * SECOND / 10)
        .await;
    assert_eq!(connected.expect("the other one").upstream(), well.name());
    assert_eq!(upstreams.healthy(), 1);
    pass(&mut upstreams, SECOND);
    let start = Instant::now();
    connect_times(&upstreams, 2).await;
    let took = start.elapsed();
    assert!(SECOND <= took && took < DEADLINE / 2, "{took:?}");
    assert_eq!(failures(&upstreams), [2, 0]);
}

#[tokio::test]
async fn if_all_are_down_all_are_tried_all_the_same() {
    let ports = [(); 3].map(|()| Port::refusing());
    let upstreams = pool(ports.each_ref());
    for tried in 1..=4 {
        let error = upstreams
            .connect(&upstreams.in_use(), DEADLINE)
            .await
            .expect_err("all refuse");
        for port in &ports {
            let refused = format!("{}: Connection refused (os error 111)", port.name());
            assert!(error.to_string().contains(&refused), "{error}");
        }
        assert_eq!(failures(&upstreams), [tried; 3]);
        assert_eq!(upstreams.exhausted(), tried);
    }
    assert_eq!(upstreams.healthy(), 0);
    ports[1].listen();
    let connections = connect_times(&upstreams, 3).await;
    assert_eq!(connections, [(ports[1].name(), 3)].into());
    assert_eq!(upstreams.healthy(), 1);
}

#[tokio::test]
async fn one_deadline_is_for_all_attempts() {
    let silent = [(); 3].map(|()| BlackHole::new((Ipv4Addr::LOCALHOST, 0).into()));
    let names = silent.each_ref().map(|one| one.address().to_string());
    let upstreams = Upstreams::new(addresses(names.each_ref().map(String::as_str)));
    let start = Instant::now();
    let error = upstreams
        .connect(&upstreams.in_use(), SECOND / 2)
        .await
        .expect_err("all are silent");
    let took = start.elapsed();
    assert!(SECOND / 2 <= took && took < SECOND, "{took:?}");
    for name in names {
        assert!(
            error.to_string().contains(&format!("{name}: timed out")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_error_of_this_machine_is_not_held_against_the_upstream() {
    let upstreams = pool([&Port::refusing()]);
    let upstream = Arc::clone(&upstreams.set.load()[0]);
    let full = io::Error::from_raw_os_error(Errno::MFILE.raw_os_error());
    upstream.failed(&full, Admission::Up(0), SECOND);
    assert_eq!((upstreams.healthy(), failures(&upstreams)), (1, vec![1]));
    let refused = io::ErrorKind::ConnectionRefused.into();
    upstream.failed(&refused, Admission::Up(0), SECOND);
    assert_eq!((upstreams.healthy(), failures(&upstreams)), (0, vec![2]));
}

#[tokio::test]
async fn a_replaced_set_keeps_the_health_of_those_that_stay() {
    let (down, up, new) = (Port::refusing(), Port::listening(), Port::listening());
    let upstreams = pool([&down, &up]);
    connect_times(&upstreams, 2).await;
    let of = |port: &Port, up, failures| UpstreamStatus {
        name: port.name(),
        up,
        failures,
    };
    // One that is named twice counts once.
    let names = [&new, &down, &new].map(Port::name);
    upstreams.replace(upstreams.with_addresses(addresses(names.each_ref().map(String::as_str))));
    let expected = [of(&new, true, 0), of(&down, false, 1)];
    assert_eq!(upstreams.statuses(), expected);
    let connections = connect_times(&upstreams, 3).await;
    assert_eq!(connections, [(new.name(), 3)].into());
    upstreams.replace(UpstreamSet::default());
    let error = upstreams
        .connect(&upstreams.in_use(), DEADLINE)
        .await
        .expect_err("none is left");
    assert_eq!(error.to_string(), "there is no upstream");
}

#[tokio::test]
async fn a_unix_socket_fails_at_once_where_it_is_missing_or_its_queue_is_full() {
    let files = Files::new();
    let (missing, full) = (files.text("missing"), files.text("full"));
    let listener = UnixListener::bind(&full).expect("a free path");
    rustix::net::listen(&listener, 0).expect("the queue can be shortened");
    let names = [missing, full].map(|path| format!("unix:{path}"));
    let upstreams = Upstreams::new(addresses(names.each_ref().map(String::as_str)));
    let start = Instant::now();
    let mut queued = Vec::new();
    let error = loop {
        assert!(queued.len() < 64, "the queue takes every connection");
        match upstreams.connect(&upstreams.in_use(), DEADLINE).await {
            Ok(connection) => queued.push(connection),
            Err(error) => break error.to_string(),
        }
    };
    assert!(!queued.is_empty());
    let [missing, full] = names;
    assert!(
        error.contains(&format!("{missing}: No such file")),
        "{error}"
    );
    assert!(
        error.contains(&format!("{full}: its queue of connections is full")),
        "{error}"
    );
    drop(listener.accept().expect("one is queued"));
    upstreams
        .connect(&upstreams.in_use(), DEADLINE)
        .await
        .expect("there is room");
    assert!(start.elapsed() < DEADLINE / 2);
}

/// The kernel gives a client each port in turn, at last that of the upstream itself.
#[tokio::test]
async fn while_an_upstream_is_down_no_connection_is_connected_to_itself() {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let range = range.expect("Linux has it");
    let mut bounds = range.split_whitespace().map(|bound| bound.parse::<usize>());
    let bounds = iter::from_fn(|| bounds.next()?.ok()).collect::<Vec<_>>();
    // To bind(2) the kernel gives ports of the other parity.
    let mut address = Port::refusing().1;
    address.set_port(address.port() ^ 1);
    let upstreams = Upstreams::new(addresses([&address.to_string()]));
    for _ in bounds[0]..=bounds[1] {
        let connected = upstreams.connect(&upstreams.in_use(), DEADLINE).await;
        connected.expect_err("no program listens");
    }
}

#[tokio::test]
async fn what_connects_takes_little_room_in_a_task() {
    let upstreams = pool([&Port::listening()]);
    let size = size_of_val(&upstreams.connect(&upstreams.in_use(), DEADLINE));
    assert!(size <= 1024, "{size} bytes");
}
