//! What is wrong with the store.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rekindle_test_servers::Link;

use super::site::Site;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// It comes back empty.
    Killed,
    /// It accepts connections, and answers nothing.
    Frozen,
    /// It has no room.
    Full,
    /// Each way takes [`DELAY`] longer.
    Slow,
    OtherPassword,
    /// One machine does not reach it.
    OneCutOff,
    Garbage,
    /// All connections break again and again.
    Flapping,
}

const DELAY: Duration = Duration::from_millis(100);

/// Between two breaks of all connections.
const APART: Duration = Duration::from_millis(50);

impl Fault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Killed => "killed, comes back empty",
            Self::Frozen => "frozen (`SIGSTOP`)",
            Self::Full => "full (`maxmemory`)",
            Self::Slow => "slow, 100 ms each way",
            Self::OtherPassword => "another password",
            Self::OneCutOff => "one machine is cut off",
            Self::Garbage => "answers are garbage",
            Self::Flapping => "connections break each 50 ms",
        }
    }

    /// Whether connections to the store fail, however short it is.
    pub(super) fn breaks_connections(self) -> bool {
        !matches!(self, Self::None | Self::Frozen | Self::Full | Self::Slow)
    }

    /// Begins, lasts, and ends.
    pub(super) fn lasts(self, site: &mut Site, time: Duration) {
        match self {
            Self::None => sleep(time),
            Self::Killed => {
                site.store.kill();
                sleep(time);
                site.store.restart();
            }
            Self::Frozen => {
                site.store.freeze();
                sleep(time);
                site.store.thaw();
            }
            Self::Full => {
                ask(site, &["CONFIG", "SET", "maxmemory", "1"]);
                sleep(time);
                ask(site, &["CONFIG", "SET", "maxmemory", "0"]);
            }
            Self::Slow => {
                site.links.iter().for_each(|link| link.delay(DELAY));
                sleep(time);
                site.links
                    .iter()
                    .for_each(|link| link.delay(Duration::ZERO));
            }
            Self::OtherPassword => {
                ask(site, &["ACL", "SETUSER", "default", "resetpass", ">other"]);
                // Those that are there need none.
                site.links.iter().for_each(Link::cut);
                site.links.iter().for_each(Link::mend);
                sleep(time);
                let nopass = ["ACL", "SETUSER", "default", "nopass"];
                ask(
                    site,
                    &[&["-a", "other", "--no-auth-warning"], &nopass[..]].concat(),
                );
            }
            Self::OneCutOff => {
                site.links[1].cut();
                sleep(time);
                site.links[1].mend();
            }
            Self::Garbage => {
                site.links.iter().for_each(|link| link.garble(true));
                sleep(time);
                site.links.iter().for_each(|link| link.garble(false));
            }
            Self::Flapping => {
                let begin = Instant::now();
                while begin.elapsed() < time {
                    site.links.iter().for_each(Link::cut);
                    site.links.iter().for_each(Link::mend);
                    sleep(APART);
                }
            }
        }
    }
}

#[track_caller]
fn ask(site: &Site, words: &[&str]) {
    assert_eq!(site.store.ask(words), "OK", "{words:?}");
}
