//! A store that fails costs resumptions only, and each of them is counted.

use std::time::Duration;

use rekindle_fleet::{FleetStats, RedisStore, Sharing};
use rekindle_test_servers::Link;

use crate::common::{Client, Mechanism};
use crate::garbage::garbage;
use crate::host::Host;
use crate::servers::{RedisServer, is_skipped, store_of};

const KIND: Mechanism = Mechanism::Tls12Id;

fn store(url: &str) -> RedisStore {
    RedisStore::new(url).expect("an address")
}

fn url_of(link: &Link) -> String {
    format!("redis://{}", link.address())
}

/// A store and two machines, the second one behind a link that can be cut.
fn one_behind_a_link() -> (RedisServer, Link, [Host; 2]) {
    let server = RedisServer::start();
    let link = Link::to(server.port());
    let hosts = [server.url(), url_of(&link)].map(|url| Host::new(KIND, store(&url)));
    (server, link, hosts)
}

#[track_caller]
fn cut_off(link: &Link, host: &Host) {
    link.cut();
    host.until(|| !host.fleet.stats().store_up);
}

/// A machine makes sessions until another one gets one: what is lost are resumptions.
#[track_caller]
fn share(from: &Host, to: &Host) {
    let (client, mut given) = (Client::new(KIND), Vec::new());
    to.until(|| {
        given.push(from.connect(&client));
        std::thread::sleep(Duration::from_millis(20));
        given.iter().any(|given| to.knows(given))
    });
    let known = given.iter().find(|given| to.knows(given));
    assert!(to.resumes(&client, known.expect("one came")));
}

/// Sessions that were made, and what has become of each.
fn accounted(stats: &FleetStats) -> u64 {
    stats.published
        + stats.dropped_queue
        + stats.dropped_store_down
        + stats.dropped_store_full
        + stats.dropped_refused
        + stats.dropped_too_large
        + stats.waiting
}

#[test]
fn a_store_that_is_killed_and_comes_back_empty_is_told_all_removals_again() {
    if is_skipped() {
        return;
    }
    let mut server = RedisServer::start();
    let [a, b] = [(); 2].map(|()| Host::new(KIND, store_of(&server)));
    let client = Client::new(KIND);
    let (mut connection, removed) = a.open(&client);
    let kept = a.connect(&client);
    [&removed, &kept]
        .into_iter()
        .for_each(|given| b.waits_for(given));
    connection.rude = true;
    drop(connection);
    b.waits_for_end_of(&removed);
    a.until(|| a.fleet.stats().endings_published == 1);
    server.kill();
    a.until(|| !a.fleet.stats().store_up);
    // The machines go on by themselves.
    assert!(a.resumes(&client, &kept) && b.resumes(&client, &kept));
    server.restart();
    a.until(|| a.fleet.stats().endings_published == 2);
    share(&a, &b);
    share(&b, &a);
    let c = Host::new(KIND, store_of(&server));
    c.until(|| c.fleet.stats().endings_received == 1);
    assert!(!c.resumes(&client, &removed));
}

#[test]
fn a_store_that_freezes_keeps_no_handshake_waiting() {
    if is_skipped() {
        return;
    }
    let server = RedisServer::start();
    let set = |sharing| Host::with(KIND, store_of(&server), |fleet| fleet.sharing(sharing));
    for sharing in [Sharing::Replicate, Sharing::Both] {
        let [a, b] = [(); 2].map(|()| set(sharing));
        share(&a, &b);
        server.freeze();
        let client = Client::new(KIND);
        let given: Vec<_> = (0..50).map(|_| a.connect(&client)).collect();
        for given in &given {
            assert!(a.resumes(&client, given));
            assert!(!b.resumes(&client, given), "a full handshake");
        }
        a.until(|| !a.fleet.stats().store_up);
        if sharing == Sharing::Both {
            let stats = b.fleet.stats();
            assert!(stats.fetch_timeouts <= 5, "the breaker opens: {stats:?}");
            assert!(stats.fetch_skipped >= 40, "the breaker opens: {stats:?}");
        }
        server.thaw();
        share(&a, &b);
        share(&b, &a);
    }
}

#[test]
fn a_slow_store_is_a_late_one() {
    if is_skipped() {
        return;
    }
    let (_server, link, [a, b]) = one_behind_a_link();
    share(&a, &b);
    link.delay(Duration::from_millis(150));
    let client = Client::new(KIND);
    let given: Vec<_> = (0..100).map(|_| a.connect(&client)).collect();
    given.iter().for_each(|given| b.waits_for(given));
    b.until(|| b.fleet.stats().lag_millis >= 100);
    share(&b, &a);
    assert_eq!(b.fleet.stats().store_errors, 0);
}

#[test]
fn a_full_store_takes_endings_when_it_has_room_again() {
    if is_skipped() {
        return;
    }
    let server = RedisServer::with("--maxmemory 6mb --maxmemory-policy noeviction");
    let [a, b] = [(); 2].map(|()| Host::new(KIND, store_of(&server)));
    let client = Client::new(KIND);
    let (mut connection, removed) = a.open(&client);
    b.waits_for(&removed);
    server.ask(&["SETRANGE", "ballast", "8000000", "x"]);
    let given: Vec<_> = (0..20).map(|_| a.connect(&client)).collect();
    a.until(|| a.fleet.stats().dropped_store_full == 20);
    assert!(given.iter().all(|given| a.resumes(&client, given)));
    connection.rude = true;
    drop(connection);
    a.until(|| a.fleet.stats().waiting == 1);
    assert!(b.knows(&removed), "it is not told");
    server.ask(&["DEL", "ballast"]);
    b.waits_for_end_of(&removed);
    share(&a, &b);
}

#[test]
fn a_store_that_answers_garbage_is_away() {
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"$-5\r\n",
        b"*2147483647\r\n",
        b"+OK\r\n",
        b":1\r\n",
        b"*0\r\n",
        b"%1\r\n+a\r\n+b\r\n",
        &[0xff; 100],
    ] {
        let host = Host::with(KIND, store(&garbage(answer)), |fleet| {
            fleet.sharing(Sharing::Both)
        });
        let client = Client::new(KIND);
        let given: Vec<_> = (0..20).map(|_| host.connect(&client)).collect();
        assert!(given.iter().all(|given| host.resumes(&client, given)));
        host.until(|| host.fleet.stats().store_errors > 2);
        let stats = host.fleet.stats();
        assert_eq!(accounted(&stats), 20, "{stats:?}");
        assert_eq!(
            stats.published + stats.replicated + stats.fetched,
            0,
            "{stats:?}"
        );
    }
}

#[test]
fn what_waits_for_a_store_that_is_away_is_bounded_and_the_rest_is_counted() {
    let link = Link::to(1);
    let host = Host::with(KIND, store(&url_of(&link)), |fleet| fleet.queue(50));
    let client = Client::new(KIND);
    for _ in 0..300 {
        host.connect(&client);
    }
    let stats = host.fleet.stats();
    assert!(stats.waiting <= 100, "{stats:?}");
    host.until(|| accounted(&host.fleet.stats()) == 300);
    assert!(!host.fleet.stats().store_up);
}

#[test]
fn a_machine_that_was_cut_off_catches_up_with_sessions_and_with_ends() {
    if is_skipped() {
        return;
    }
    let (_server, link, [a, b]) = one_behind_a_link();
    let client = Client::new(KIND);
    let mut before: Vec<_> = (0..30).map(|_| a.open(&client)).collect();
    before.iter().for_each(|(_, given)| b.waits_for(given));
    cut_off(&link, &b);
    // Meanwhile: what both have, ends; some come, and some of those end.
    let mut meanwhile: Vec<_> = (0..30).map(|_| a.open(&client)).collect();
    for all in [&mut before, &mut meanwhile] {
        for (connection, _) in &mut all[..10] {
            connection.rude = true;
        }
    }
    let mut ended = Vec::new();
    for all in [&mut before, &mut meanwhile] {
        ended.extend(all.drain(..10).map(|(_, given)| given));
    }
    let of_b = b.connect(&client);
    a.until(|| a.fleet.stats().endings_published == 20);
    assert!(b.knows(&ended[0]), "it is not told");
    link.mend();
    meanwhile.iter().for_each(|(_, given)| b.waits_for(given));
    ended.iter().for_each(|given| b.waits_for_end_of(given));
    before.iter().for_each(|(_, given)| assert!(b.knows(given)));
    a.waits_for(&of_b);
    assert!(b.fleet.stats().caught_up >= 20, "{:?}", b.fleet.stats());
}

#[test]
fn what_was_read_is_not_read_again_on_each_new_connection() {
    if is_skipped() {
        return;
    }
    let (_server, link, [a, b]) = one_behind_a_link();
    let client = Client::new(KIND);
    for _ in 0..5 {
        cut_off(&link, &b);
        let meanwhile: Vec<_> = (0..20).map(|_| a.connect(&client)).collect();
        link.mend();
        meanwhile.iter().for_each(|given| b.waits_for(given));
    }
    let stats = b.fleet.stats();
    assert!(stats.caught_up + stats.replicated == 100, "{stats:?}");
    // What was written at the moment in which it was cut off may come twice.
    assert!(stats.known <= 5, "{stats:?}");
}

#[test]
fn what_was_missed_is_read_once_though_older_values_are_there() {
    if is_skipped() {
        return;
    }
    let (server, link, [a, b]) = one_behind_a_link();
    let client = Client::new(KIND);
    // More values than are read at once.
    for number in 1..=60 {
        let given = a.connect(&client);
        a.until(|| a.fleet.stats().published == number);
        b.waits_for(&given);
    }
    cut_off(&link, &b);
    let missed = a.connect(&client);
    a.until(|| a.fleet.stats().published == 61);
    link.mend();
    b.waits_for(&missed);
    let reads = || {
        let stats = server.ask(&["INFO", "commandstats"]);
        let mut lines = stats.lines();
        let line = lines.find_map(|line| line.strip_prefix("cmdstat_xrevrange:calls="));
        let calls = line.and_then(|line| line.split(',').next());
        calls.and_then(|calls| calls.parse().ok()).expect("calls")
    };
    let before: u64 = reads();
    std::thread::sleep(Duration::from_millis(300));
    // Each machine looks for what it has told, now and then.
    assert!(reads() - before <= 4, "{before}, {}", reads());
}

#[test]
fn a_wrong_password_and_a_user_who_may_not_are_told_apart_from_a_store() {
    if is_skipped() {
        return;
    }
    let server = RedisServer::start();
    let may = "-@all +xadd +xread +xrevrange +pexpireat +set +get";
    let may = may.split(' ');
    let user: Vec<_> = (["ACL", "SETUSER", "fleet", "on", ">pass", "~rk:*"].into_iter())
        .chain(may)
        .collect();
    assert_eq!(server.ask(&user), "OK");
    assert_eq!(
        server.ask(&["ACL", "SETUSER", "default", "resetpass", ">right"]),
        "OK"
    );
    let url = |user: &str| format!("redis://{user}@127.0.0.1:{}", server.port());
    let wrong = Host::new(KIND, store(&url(":wrong")));
    wrong.until(|| wrong.fleet.stats().store_errors > 2);
    assert!(!wrong.fleet.stats().store_up);
    for user in [":right", "fleet:pass"] {
        let both = |fleet: rekindle_fleet::FleetBuilder| fleet.sharing(Sharing::Both);
        let [a, b] = [(); 2].map(|()| Host::with(KIND, store(&url(user)), both));
        share(&a, &b);
        assert_eq!(a.fleet.stats().store_errors, 0, "{user}");
        assert!(!format!("{:?}", a.fleet).contains("pass"), "{:?}", a.fleet);
    }
}
