//! Apache httpd. A key file holds one key, and there is one file.
//!
//! Up to 2.4.71 at least, mod_ssl that was built with OpenSSL 3 keeps a pointer to the HMAC secret,
//! and the secret is in a local variable of the function that reads the file (`ssl_init_ticket_key`
//! in ssl_engine_init.c; on its trunk it is a copy). Its secret is then what lies on the stack
//! later: seen were sixteen zero bytes when it runs as a service, and the number of the process
//! when it runs as it does here. So it opens nothing that is sealed with the file's secret.

use std::process::Command;

use openssl::hash::{MessageDigest, hash};

use super::{Product, Site};
use crate::common::files::{Files, hex};
use crate::keys::{Format, Order};

const SERVER_NAME: &str = "localhost";

/// Where Debian keeps its modules.
const MODULES: &str = "/usr/lib/apache2/modules";

pub(super) const PRODUCT: Product = Product {
    name: "Apache httpd",
    package: "apache2-bin",
    program: "apache2",
    version: ("-v", "Apache/"),
    formats: &[Format::binary("apache-48", Order::HmacAes, 16)],
    // It reads the first record, and does not mind what is behind it.
    opens: [true, false, false, false],
    suspect: true,
    context: "MD5 of name and port in hexadecimal digits",
    make_context,
    configure,
};

/// Without a port in `ServerName` it is the port of HTTPS, wherever the server listens.
fn make_context(_: &Files) -> Vec<u8> {
    let name = format!("{SERVER_NAME}:443");
    let digest = hash(MessageDigest::md5(), name.as_bytes()).expect("a digest");
    hex(&digest).into_bytes()
}

fn configure(command: &mut Command, site: &Site<'_>) {
    let config = format!(
        "DefaultRuntimeDir {directory}
PidFile {directory}/apache.pid
ErrorLog /dev/stderr
ServerName {SERVER_NAME}
Listen {listen}
# Started as root, it serves as an unprivileged user.
User #65534
Group #65534
LoadModule mpm_event_module {MODULES}/mod_mpm_event.so
LoadModule authz_core_module {MODULES}/mod_authz_core.so
LoadModule ssl_module {MODULES}/mod_ssl.so
SSLEngine on
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLCertificateFile {certificate}
SSLCertificateKeyFile {key}
SSLSessionCache none
SSLSessionTicketKeyFile {keys}
",
        directory = site.files.text(""),
        listen = site.listen,
        certificate = site.files.cert(),
        key = site.files.key(),
        keys = site.key_file(),
    );
    // In the foreground, as one process.
    command
        .args(["-X", "-f"])
        .arg(site.write("httpd.conf", config));
}
