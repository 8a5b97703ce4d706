//! The servers from Debian, and what their sources say of ticket keys and session id contexts.

use std::fs;
use std::net::TcpStream;

use openssl::hash::{MessageDigest, hash};
use openssl::sha::{sha1, sha256};
use openssl::x509::X509;
use rekindle_test_servers::{self as test_servers, Files, Running, Task};

use crate::common::hex;
use crate::keys::{Format, KEYS, Key, Order};

const SERVER_NAME: &str = "localhost";
/// Those that the terminator chooses: a session resumes under the hash of its own suite.
const CIPHER_SUITES: [&str; 2] = ["ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_AES_256_GCM_SHA384"];

/// A server, and what is said of it.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) server: &'static test_servers::Product,
    pub(crate) formats: &'static [Format],
    /// Which keys of a file open tickets.
    pub(crate) opens: [bool; KEYS],
    /// Whether it is known to use, in some version, another HMAC secret than its key file says.
    pub(crate) suspect: bool,
    /// The session id context of a server with the certificate in these files.
    pub(crate) make_context: fn(&Files) -> Vec<u8>,
}

pub(crate) static ALL: [Product; 4] = [NGINX, HAPROXY, TRAFFIC_SERVER, APACHE];

/// A key file holds one key: the first file seals, all open.
const NGINX: Product = Product {
    server: &test_servers::NGINX,
    formats: &[
        Format::binary("nginx-48", Order::AesHmac, 16),
        Format::binary("nginx-80", Order::HmacAes, 32),
    ],
    opens: [true; KEYS],
    suspect: false,
    // SHA-1 of HTTP and of the certificate's SHA-1. Were certificates of clients asked for, the
    // names of their issuers would follow.
    make_context: |files| {
        let pem = fs::read(files.cert()).expect("PEM");
        let certificate = X509::from_pem(&pem).expect("a certificate");
        let digest = certificate.digest(MessageDigest::sha1()).expect("a digest");
        sha1(&[b"HTTP", &digest[..]].concat()).to_vec()
    },
};

/// One file of lines, the oldest key first: the last but one seals, the last is the one that will
/// seal next, and the one before both still opens. Of those before these three it takes no notice.
const HAPROXY: Product = Product {
    server: &test_servers::HAPROXY,
    formats: &[
        Format::lines("haproxy-48", Order::AesHmac, 16),
        Format::lines("haproxy-80", Order::AesHmac, 32),
    ],
    opens: [false, true, true, true],
    suspect: false,
    make_context: |_| b"haproxy".to_vec(),
};

/// One file of records, the first seals, all open.
const TRAFFIC_SERVER: Product = Product {
    server: &test_servers::TRAFFIC_SERVER,
    formats: &[Format::binary("traffic-server-48", Order::HmacAes, 16)],
    opens: [true; KEYS],
    suspect: false,
    make_context: |files| sha256(files.cert().as_bytes()).to_vec(),
};

/// A key file holds one key, and there is one file.
///
/// Up to 2.4.71 at least, mod_ssl that was built with OpenSSL 3 keeps a pointer to the HMAC secret,
/// and the secret is in a local variable of the function that reads the file (`ssl_init_ticket_key`
/// in ssl_engine_init.c; on its trunk it is a copy). Its secret is then what lies on the stack
/// later: seen were sixteen zero bytes when it runs as a service, and the number of the process
/// when it runs as it does here. So it opens nothing that is sealed with the file's secret.
const APACHE: Product = Product {
    server: &test_servers::APACHE,
    formats: &[Format::binary("apache-48", Order::HmacAes, 16)],
    opens: [true, false, false, false],
    suspect: true,
    // Without a port in `ServerName` it is the port of HTTPS, wherever the server listens.
    make_context: |_| {
        let name = format!("{SERVER_NAME}:443");
        let digest = hash(MessageDigest::md5(), name.as_bytes()).expect("a digest");
        hex(&digest).into_bytes()
    },
};

impl Product {
    /// Starts it with what is in `files`, and waits until it listens. It gives any answer to any
    /// request, over TLS 1.2 and 1.3, with tickets under these keys.
    pub(crate) fn start(&self, files: &Files, format: &Format, keys: &[Key]) -> Running {
        let of_a_file = if format.one_key_a_file() { 1 } else { KEYS };
        let write = |(number, keys): (usize, &[Key])| {
            let name = format!("ticket{number}");
            files.replace(&name, &format.file(keys));
            files.text(&name)
        };
        let ticket_keys: Vec<_> = keys.chunks(of_a_file).enumerate().map(write).collect();
        // httpd takes the last file that it is given.
        let ticket_keys = match self.is_apache() {
            true => &ticket_keys[..1],
            false => &ticket_keys[..],
        };
        self.start_with(files, ticket_keys)
    }

    pub(crate) fn is_apache(&self) -> bool {
        self.server.name == test_servers::APACHE.name
    }

    /// As [`start`](Self::start), with these files of ticket keys.
    pub(crate) fn start_with(&self, files: &Files, ticket_keys: &[String]) -> Running {
        let task = Task {
            files,
            server_name: SERVER_NAME,
            upstream: None,
            workers: 1,
            stateless: true,
            cipher_suites: CIPHER_SUITES,
            ticket_keys,
        };
        let program = self.server.find().expect("it is installed");
        let connects = |address| match TcpStream::connect(address) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        let configure = self.server.configure;
        let directory = files.directory();
        Running::start(&program, configure, directory, &task, |_| (), connects)
            .unwrap_or_else(|problem| panic!("{}: {problem}", self.server.name))
    }
}
