//! HAProxy. One file of lines, the oldest key first: the last but one seals, the last is the one
//! that will seal next, and the one before both still opens. Of those before these three it takes
//! no notice.

use std::fs;
use std::process::Command;

use super::{Product, Site};
use crate::keys::{Format, Order};

pub(super) const PRODUCT: Product = Product {
    name: "haproxy",
    package: "haproxy",
    program: "haproxy",
    version: ("-v", "HAProxy version "),
    formats: &[
        Format::lines("haproxy-48", Order::AesHmac, 16),
        Format::lines("haproxy-80", Order::AesHmac, 32),
    ],
    opens: [false, true, true, true],
    suspect: false,
    context: "the text haproxy",
    make_context: |_| b"haproxy".to_vec(),
    configure,
};

fn configure(command: &mut Command, site: &Site<'_>) {
    let pem = [site.files.key(), site.files.cert()].map(|file| fs::read(file).expect("PEM"));
    let config = format!(
        "global
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout connect 60s
    timeout client 60s
    timeout server 60s
frontend tls
    bind {listen} ssl crt {both} tls-ticket-keys {keys}
    http-request return status 200
",
        listen = site.listen,
        both = site.write("both.pem", pem.concat()),
        keys = site.key_file(),
    );
    command
        .args(["-db", "-f"])
        .arg(site.write("haproxy.cfg", config));
}
