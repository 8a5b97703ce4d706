//! Files that `keys` commands write for a server from Debian: the server takes them, with the lines
//! that the commands print, and resumes what the terminator has issued with them, through a
//! rotation.

use rekindle_test_servers::Files;

use crate::PROTOCOLS;
use crate::common::keys::{fingerprints, run_keys};
use crate::common::{Terminator, hex};
use crate::keys::Format;
use crate::pair::{does_not_resume, first_visit, second_visit};
use crate::servers::Product;

/// Generates keys, rotates them, and derives some from a secret.
pub(crate) fn resume(product: &Product, format: &Format) {
    let files = Files::with_certificate("localhost");
    let (path, format) = (files.text("keys"), format.name);
    let count = if format.starts_with("haproxy") { 4 } else { 3 };
    let generate = format!("generate --format {format} --count {count} --out {path}");
    let mut set = Set {
        product,
        files,
        format,
        server_files: Vec::new(),
    };
    set.read_configuration(run_keys(&generate).expect(0).out());
    set.is_taken();
    let before = set.sealing();

    let rotate = format!("rotate --format {format} {path}");
    match format.starts_with("haproxy") {
        true => drop(run_keys(&rotate).expect(0)),
        false => {
            let staged = run_keys(&format!("{rotate} --stage")).expect(0);
            set.is_taken();
            let staged = staged.out().trim().trim_start_matches("staged ").to_owned();
            run_keys(&format!("{rotate} --promote {staged}")).expect(0);
        }
    }
    assert_ne!(set.sealing(), before);
    set.is_taken();

    if format.ends_with("80") {
        let secret = set.files.text("secret");
        // In its first period a secret with a ratchet has no previous key, which HAProxy wants.
        run_keys(&format!("generate --format secret --out {secret}")).expect(0);
        let convert = format!("convert --from secret {secret} --to {format} --out");
        let derived = set.files.text("derived");
        set.read_configuration(run_keys(&format!("{convert} {derived}")).expect(0).out());
        if set.server_files.is_empty() {
            set.server_files = vec![derived];
        }
        set.is_taken();
    }
}

struct Set<'a> {
    product: &'a Product,
    files: Files,
    format: &'a str,
    /// As the configuration names them.
    server_files: Vec<String>,
}

impl Set<'_> {
    /// Takes the files from the lines for nginx's or Apache httpd's configuration. Other servers
    /// have one file.
    fn read_configuration(&mut self, lines: &str) {
        let words = ["ssl_session_ticket_key ", "SSLSessionTicketKeyFile "];
        let file = |line: &str| {
            let file = words.iter().find_map(|word| line.strip_prefix(word));
            file.expect("a line of a configuration")
                .trim_end_matches(';')
                .to_owned()
        };
        self.server_files = lines.lines().map(file).collect();
    }

    /// Where the keys are, for the terminator.
    fn path(&self) -> String {
        match self.server_files.first() {
            // A folder.
            Some(file) if file.ends_with("/sealing.key") => {
                file.trim_end_matches("/sealing.key").to_owned()
            }
            Some(file) => file.clone(),
            None => self.files.text("keys"),
        }
    }

    fn sealing(&self) -> String {
        let keys = fingerprints(&self.path(), self.format);
        let mut sealing = keys.into_iter().filter(|(word, _)| word == "sealing");
        sealing.next().expect("one seals").1
    }

    /// The server starts with the files, and resumes; and so does the terminator.
    fn is_taken(&self) {
        let (path, product) = (self.path(), self.product);
        let server_files = match self.server_files.is_empty() {
            true => vec![path.clone()],
            false => self.server_files.clone(),
        };
        let theirs = product.start_with(&self.files, &server_files);
        let context = hex(&(product.make_context)(&self.files));
        let ours = Terminator::demo(&format!(
            "--ticket-keys {path} --ticket-keys-format {} --session-id-context hex:{context}",
            self.format
        ));
        for (_, protocol) in PROTOCOLS {
            if product.suspect {
                does_not_resume(ours.address, theirs.address, protocol);
                continue;
            }
            for (from, to) in [
                (ours.address, theirs.address),
                (theirs.address, ours.address),
            ] {
                let session = first_visit(from, protocol);
                let printed = second_visit(to, &session);
                assert_eq!(printed.reused(), [true], "{}", printed.0);
            }
        }
    }
}
