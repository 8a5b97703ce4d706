//! nginx. A key file holds one key: the first file seals, all open.

use std::fs;
use std::process::Command;

use openssl::hash::MessageDigest;
use openssl::sha::sha1;
use openssl::x509::X509;

use super::{Product, Site};
use crate::common::files::Files;
use crate::keys::{Format, KEYS, Order};

pub(super) const PRODUCT: Product = Product {
    name: "nginx",
    package: "nginx",
    program: "nginx",
    version: ("-v", "nginx/"),
    formats: &[
        Format::binary("nginx-48", Order::AesHmac, 16),
        Format::binary("nginx-80", Order::HmacAes, 32),
    ],
    opens: [true; KEYS],
    suspect: false,
    context: "SHA-1 of HTTP and the certificate's SHA-1",
    make_context,
    configure,
};

/// The certificate in DER; were certificates of clients asked for, the names of their issuers would
/// follow.
fn make_context(files: &Files) -> Vec<u8> {
    let pem = fs::read(files.cert()).expect("PEM");
    let certificate = X509::from_pem(&pem).expect("a certificate");
    let digest = certificate.digest(MessageDigest::sha1()).expect("a digest");
    sha1(&[b"HTTP", &digest[..]].concat()).to_vec()
}

fn configure(command: &mut Command, site: &Site<'_>) {
    let keys = site.keys.iter().enumerate().map(|(number, key)| {
        let file = site.format.file(std::slice::from_ref(key));
        let path = site.write(&format!("ticket{number}"), file);
        format!("ssl_session_ticket_key {path};\n")
    });
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {};\n", site.files.text(what)));
    let config = format!(
        "daemon off;
master_process off;
pid {pid};
error_log stderr error;
events {{ }}
http {{
    access_log off;
    {temporary}
    server {{
        listen {listen} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_tickets on;
        {keys}
        return 200;
    }}
}}
",
        pid = site.files.text("nginx.pid"),
        temporary = temporary.concat(),
        listen = site.listen,
        certificate = site.files.cert(),
        key = site.files.key(),
        keys = keys.collect::<String>(),
    );
    command
        .args(["-e", "stderr", "-c"])
        .arg(site.write("nginx.conf", config));
}
