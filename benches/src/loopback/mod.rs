//! Servers over loopback: rekindle's terminator, nginx, haproxy, hitch and Traffic Server, each
//! terminating TLS in front of the same tiny upstream, and one load generator of ours.
//!
//! - **Alike.** One certificate (ECDSA, P-256), one cipher suite, one group (X25519); tickets on or
//!   off as the kind of handshake demands; caches for equally many sessions, equally long timeouts;
//!   equally many workers; queues of 4,096 connections; no logs. Each is a proxy from TLS to TCP.
//!   What a server cannot do is noted: the share that was really resumed is measured at the client.
//! - **Each connection** is TCP, the handshake, one byte to the upstream and one back,
//!   `close_notify`, and the server's end of TCP. The byte makes TLS 1.3's tickets arrive, and
//!   Traffic Server connects to its upstream only when it has something to send. Latency is from
//!   connecting to the answer, with all clients busy all the time: divide the number of clients by
//!   the rate.
//! - **Cores.** All servers run on the same ones, as many as they have workers; generator and
//!   upstream on the rest. With two workers on two cores there is no rest, and all share both. All
//!   servers run at once, but only the one in turn has work; each round starts with another.
//! - **The bottleneck.** A TLS client does about as much work as its server, in full handshakes
//!   more (it verifies where the server signs). So both sides' load is recorded: where `server's
//!   cores busy` is not close to 100 %, the rate is the generator's, and only `CPU time per
//!   handshake` tells servers apart.
//! - **Downloads** are such connections whose answer is a body, compared byte by byte. CPU time for
//!   each gigabyte is the server's.
//! - **A burst**: all clients connect within some milliseconds, from one thread, each with a
//!   ClientHello that was made before, and none closes until the last one was answered. Latency is
//!   each client's own, from connecting to the answer. Clients that fail have none, and are
//!   counted; so is what the kernel drops because a listener's queue is full.
//! - **Idle connections** are held by a server that was just started. What it has resident in all
//!   its processes (`Pss`) is summed before and after, when it no longer changes; then every
//!   connection must still be open. Timeouts are ten minutes (hitch's for handshakes 30 s).
//! - **Ports.** The server's side of TCP ends first everywhere, so that clients' ports do not stay
//!   in TIME_WAIT. Those with which servers connect upstream do; Linux uses them again after a
//!   second, on loopback, unless `net.ipv4.tcp_tw_reuse` is 0.

mod bench;
mod burst;
mod closed_loop;
mod exchange;
mod generator;
mod idle;
mod options;
mod run;
mod servers;
mod upstream;

pub(crate) use options::Options;
pub(crate) use run::run;
