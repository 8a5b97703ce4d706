//! Tickets between the terminator and the servers from Debian, with the key file that the other
//! server reads: what nginx, HAProxy, Traffic Server and Apache httpd issue resumes here, and what
//! is issued here resumes there.
//!
//! A server that is not installed has a test that says so and is counted as ignored.

#[path = "../terminator/common/mod.rs"]
#[allow(dead_code, reason = "the tests of the terminator alone use the rest")]
mod common;
mod keys;
mod pair;
mod servers;
mod ticket;
mod written;

use libtest_mimic::{Arguments, Trial};

use crate::common::skipped_when_quick;
use crate::pair::Pair;
use crate::servers::{ALL, Product};

/// As they are called, and the words for `openssl s_client`.
const PROTOCOLS: [(&str, &str); 2] = [
    ("TLS 1.2", "-servername localhost -tls1_2"),
    ("TLS 1.3", "-servername localhost -tls1_3"),
];

fn main() {
    let arguments = Arguments::from_args();
    let quick = skipped_when_quick("tickets between the terminator and other servers");
    let products = ALL.iter().filter(|_| !quick);
    libtest_mimic::run(&arguments, products.map(trial).collect()).exit();
}

fn trial(product: &'static Product) -> Trial {
    let server = product.server;
    if server.find().is_none() {
        let install = format!("apt-get install {}", server.package);
        let name = format!(
            "{}: not shown, for it is not installed ({install})",
            server.name
        );
        return Trial::test(name, || Err("it is not installed".into())).with_ignored_flag(true);
    }
    let name = format!("{} {} and the terminator", server.name, server.version());
    Trial::test(name, move || {
        resume_each_other(product);
        Ok(())
    })
}

/// In each format that the server reads, by each protocol.
fn resume_each_other(product: &'static Product) {
    for format in product.formats {
        written::resume(product, format);
        let pair = Pair::start(product, format);
        // What such a server can do its tickets tell.
        let sound = !product.suspect || PROTOCOLS.iter().all(|(_, p)| pair.has_mac_of_its_file(p));
        for (version, protocol) in PROTOCOLS {
            // Only shown if the test fails.
            println!("{}, {version}, MAC as in its file: {sound}", format.name);
            pair.context_is_known(protocol);
            if sound {
                pair.theirs_here(protocol);
                pair.ours_there(protocol);
                pair.order_of_use(protocol);
                pair.another_context(protocol);
            } else {
                pair.another_mac(protocol);
                pair.theirs_not_here(protocol);
                pair.ours_not_there(protocol);
            }
        }
    }
}
