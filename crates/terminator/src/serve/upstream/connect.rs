//! Connects to the first of a name's addresses that answers, as RFC 8305 (Happy Eyeballs version 2)
//! says: an address that swallows packets must not hide the one behind it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout_at};

use super::dial;

/// How long an attempt is alone before the next one starts beside it: the Connection Attempt Delay
/// of RFC 8305, section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Why there is no connection: what became of each address, in the order in which they failed.
#[derive(Debug, Default)]
struct Unreachable(Vec<(SocketAddr, io::Error)>);

/// Looks `name` up, HOST:PORT, and connects to one of its addresses, all before the deadline.
///
/// The lookup is the system's, on a thread of the blocking pool, and is made for each connection:
/// the system knows for how long an answer is good.
pub(super) async fn connect(name: &str, deadline: Instant) -> io::Result<TcpStream> {
    let addresses = timeout_at(deadline, lookup_host(name)).await;
    let addresses = addresses.map_err(|_| timed_out("the name lookup timed out"))??;
    let connected = connect_to_any(addresses.collect(), deadline).await;
    connected.map_err(Unreachable::into_error)
}

/// Tries `addresses` in the order of RFC 8305, section 4. The first connection wins, and the other
/// attempts are dropped.
async fn connect_to_any(
    addresses: Vec<SocketAddr>,
    deadline: Instant,
) -> Result<TcpStream, Unreachable> {
    let mut waiting = interleave(addresses).into_iter();
    let mut tried = Vec::new();
    let mut failed = Unreachable::default();
    let mut attempts = FuturesUnordered::new();
    let attempt_all = async {
        loop {
            if let Some(address) = waiting.next() {
                tried.push(address);
                attempts.push(attempt(address));
            }
            tokio::select! {
                ended = attempts.next() => match ended {
                    Some((_, Ok(stream))) => return Some(stream),
                    // The next attempt starts at once.
                    Some((address, Err(error))) => failed.0.push((address, error)),
                    None => return None,
                },
                () = sleep(ATTEMPT_DELAY), if waiting.len() > 0 => {}
            }
        }
    };
    let connected = timeout_at(deadline, attempt_all).await;
    if let Ok(Some(stream)) = connected {
        return Ok(stream);
    }
    tried.retain(|address| failed.0.iter().all(|(failed, _)| failed != address));
    let silent = tried.into_iter();
    failed
        .0
        .extend(silent.map(|address| (address, timed_out("timed out"))));
    Err(failed)
}

async fn attempt(address: SocketAddr) -> (SocketAddr, io::Result<TcpStream>) {
    (address, dial::tcp(address).await)
}

/// The families take turns, beginning with that of the first address. Within a family the order
/// stays as it was resolved (RFC 6724).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let length = addresses.len();
    let first = addresses.first().map(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) =
        (addresses.into_iter()).partition(|address| Some(address.is_ipv6()) == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut order = Vec::with_capacity(length);
    while order.len() < length {
        order.extend(one.next());
        order.extend(other.next());
    }
    order
}

pub(super) fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl Unreachable {
    /// What this machine lacks stands for the rest: the addresses are not at fault.
    fn into_error(mut self) -> io::Error {
        let local = (self.0.iter()).position(|(_, error)| dial::is_local(error));
        match local {
            Some(position) => self.0.swap_remove(position).1,
            None => io::Error::other(self),
        }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the name has no address");
        }
        for (n, (address, error)) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { ", " };
            write!(f, "{separator}{address}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Unreachable {}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

    use rekindle_test_servers::{BlackHole, DEADLINE};
    use socket2::{Domain, Socket, Type};

    use super::*;

    fn black_hole() -> BlackHole {
        BlackHole::new((Ipv4Addr::LOCALHOST, 0).into())
    }

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        (listener, address)
    }

    /// Bound and not listening: nothing else takes the port, and connections are refused.
    fn refusing(ip: impl Into<IpAddr>) -> io::Result<(Socket, SocketAddr)> {
        let address = SocketAddr::from((ip.into(), 0));
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.bind(&address.into())?;
        let address = socket.local_addr()?;
        Ok((socket, address.as_socket().expect("an address of IP")))
    }

    async fn connected_to(addresses: &[SocketAddr]) -> (Option<SocketAddr>, Duration) {
        let start = Instant::now();
        let connected = connect_to_any(addresses.to_vec(), start + DEADLINE).await;
        let peer = connected.expect("one of them answers").peer_addr();
        (peer.ok(), start.elapsed())
    }

    #[tokio::test]
    async fn an_address_that_swallows_packets_does_not_hide_the_next_one() {
        let (black_hole, (_listener, good)) = (black_hole(), listener());
        let (peer, took) = connected_to(&[black_hole.address(), good]).await;
        assert_eq!(peer, Some(good));
        assert!(took >= ATTEMPT_DELAY, "{took:?}");
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_by_the_next_one_at_once() {
        let (_socket, refused) = refusing(Ipv4Addr::LOCALHOST).expect("a free port");
        let (_listener, good) = listener();
        let mut addresses = vec![refused; 20];
        addresses.push(good);
        let (peer, took) = connected_to(&addresses).await;
        assert_eq!(peer, Some(good));
        assert!(took < 20 * ATTEMPT_DELAY, "{took:?}");
    }

    #[tokio::test]
    async fn ipv4_follows_where_ipv6_refuses() {
        // A machine without IPv6 cannot connect either.
        let bound = refusing(Ipv6Addr::LOCALHOST);
        let refused = bound.as_ref().map(|(_, address)| *address);
        let refused = refused.unwrap_or((Ipv6Addr::LOCALHOST, 9).into());
        let (_listener, good) = listener();
        let (peer, _) = connected_to(&[refused, good]).await;
        assert_eq!(peer, Some(good));
    }

    #[tokio::test]
    async fn if_all_fail_the_error_names_each_address() {
        let black_hole = black_hole();
        let refusing = || refusing(Ipv4Addr::LOCALHOST).expect("a free port");
        let ((_one, one), (_other, other)) = (refusing(), refusing());
        let addresses = vec![one, black_hole.address(), other];
        let deadline = Instant::now() + 8 * ATTEMPT_DELAY;
        let error = connect_to_any(addresses, deadline).await.unwrap_err();
        let refused = io::Error::from_raw_os_error(rustix::io::Errno::CONNREFUSED.raw_os_error());
        let silent = black_hole.address();
        let expected = format!("{one}: {refused}, {other}: {refused}, {silent}: timed out");
        assert_eq!(error.to_string(), expected);
        let none = connect_to_any(Vec::new(), deadline).await.unwrap_err();
        assert_eq!(none.to_string(), "the name has no address");
    }

    #[tokio::test]
    async fn an_address_that_answers_late_still_wins_if_no_other_does() {
        let (_socket, refused) = refusing(Ipv4Addr::LOCALHOST).expect("a free port");
        let late = black_hole();
        let deadline = Instant::now() + DEADLINE;
        let connecting = connect_to_any(vec![late.address(), refused], deadline);
        let free_the_queue = async {
            sleep(2 * ATTEMPT_DELAY).await;
            late.answer().expect("connections are queued");
        };
        let (connected, ()) = tokio::join!(connecting, free_the_queue);
        let peer = connected.expect("it answers in the end").peer_addr();
        assert_eq!(peer.ok(), Some(late.address()));
    }

    #[test]
    fn families_take_turns_and_the_first_address_stays_first() {
        let order = |list: &[&str]| {
            let addresses = list.iter().map(|text| text.parse().expect("an address"));
            let order = interleave(addresses.collect()).into_iter();
            order.map(|address| address.to_string()).collect::<Vec<_>>()
        };
        let (a, b, c) = ("[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1");
        let (x, y) = ("192.0.2.1:1", "192.0.2.2:1");
        assert_eq!(order(&[a, b, c, x, y]), [a, x, b, y, c]);
        assert_eq!(order(&[x, y, a]), [x, a, y]);
        assert_eq!(order(&[x, y]), [x, y]);
        assert!(order(&[]).is_empty());
    }
}
