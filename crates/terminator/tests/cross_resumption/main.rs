//! Tickets between the terminator and the servers from Debian, with the key file that the other
//! server reads: what nginx, HAProxy, Traffic Server and Apache httpd issue resumes here, and what
//! is issued here resumes there.
//!
//! A server that is not installed has one test, which says so and is counted as ignored.

#[path = "../terminator/common/mod.rs"]
#[allow(dead_code, reason = "the tests of the terminator alone use the rest")]
mod common;
mod der;
mod keys;
mod pair;
mod servers;
mod ticket;
mod visits;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Trial};

use crate::common::skipped_when_quick;
use crate::keys::Format;
use crate::pair::{PROTOCOLS, Pair};
use crate::servers::{ALL, Product};

/// A pair is started by the first of its tests that runs, and ends with the last.
type LazyPair = Arc<LazyLock<Pair, Box<dyn FnOnce() -> Pair + Send>>>;

fn main() {
    let arguments = Arguments::from_args();
    let quick = skipped_when_quick("tickets between the terminator and other servers");
    let products = ALL.iter().filter(|_| !quick);
    let trials = products.flat_map(|product| {
        if product.server.find().is_some() {
            trials(product)
        } else {
            vec![absent(product.server)]
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn absent(server: &rekindle_test_servers::Product) -> Trial {
    let name = format!(
        "{}: not shown, for it is not installed (apt-get install {})",
        server.name, server.package
    );
    Trial::test(name, || Err("it is not installed".into())).with_ignored_flag(true)
}

fn trials(product: &'static Product) -> Vec<Trial> {
    let server = format!("{} {}", product.server.name, product.server.version());
    let mut trials = Vec::new();
    for format in product.formats {
        let pair: LazyPair = Arc::new(LazyLock::new(Box::new(move || {
            Pair::start(product, format)
        })));
        // What such a server can do its tickets tell, and the tests are named for it.
        let sound = !product.suspect || pair_is_sound(&pair);
        let mut add = |what: &str, check: fn(&Pair, &str)| {
            for (version, protocol) in PROTOCOLS {
                let name = format!("{server}, {}: {what}, {version}", format.name);
                let pair = Arc::clone(&pair);
                let test = move || {
                    pair.run(check, protocol);
                    Ok(())
                };
                trials.push(Trial::test(name, test));
            }
        };
        let context = format!("session id context is {}", product.context);
        add(&context, Pair::context_is_known);
        if !sound {
            add(
                "name and AES key are those of its file, the HMAC secret is not",
                Pair::another_mac,
            );
            add("so theirs are not resumed here", Pair::theirs_not_here);
            add("so ours are not resumed there", Pair::ours_not_there);
            continue;
        }
        add("theirs here", Pair::theirs_here);
        add("ours there", Pair::ours_there);
        add(&order(product, format), Pair::order_of_use);
        add("neither under another context", Pair::another_context);
    }
    trials
}

fn pair_is_sound(pair: &LazyPair) -> bool {
    // Where it cannot even be started, its tests say so.
    catch_unwind(AssertUnwindSafe(|| pair.has_mac_of_its_file())).unwrap_or(true)
}

/// In words, keys counted from 1.
fn order(product: &Product, format: &Format) -> String {
    let opens = product
        .opens
        .iter()
        .enumerate()
        .filter(|(_, opens)| **opens);
    let opens: Vec<_> = opens.map(|(key, _)| (key + 1).to_string()).collect();
    format!(
        "key {} of {} seals, {} open",
        format.seals + 1,
        keys::KEYS,
        opens.join(" ")
    )
}
