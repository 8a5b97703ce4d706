//! The servers from Debian, each as one process in a directory of its own, on a port of its own.

mod apache;
mod haproxy;
mod nginx;
mod traffic_server;

use std::env;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::common::eventually;
use crate::common::files::Files;
use crate::common::upstream::closed_port;
use crate::keys::{Format, KEYS, Key};

pub(crate) static ALL: [Product; 4] = [
    nginx::PRODUCT,
    haproxy::PRODUCT,
    traffic_server::PRODUCT,
    apache::PRODUCT,
];

/// Another process may take the port between our choice of it and the server's start.
const ATTEMPTS: usize = 3;

const LOG: &str = "output.log";

/// A server that Debian has.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) name: &'static str,
    /// What Debian calls it.
    pub(crate) package: &'static str,
    program: &'static str,
    /// Argument that makes it print its version, and what it prints before that.
    version: (&'static str, &'static str),
    pub(crate) formats: &'static [Format],
    /// Which keys of a file open tickets.
    pub(crate) opens: [bool; KEYS],
    /// Whether it is known to use, in some version, another HMAC secret than its key file says.
    pub(crate) suspect: bool,
    /// In words, what its session id context is.
    pub(crate) context: &'static str,
    make_context: fn(&Files) -> Vec<u8>,
    configure: fn(&mut Command, &Site<'_>),
}

/// What a server is to serve: any answer to any request, over TLS 1.2 and 1.3, with tickets under
/// these keys.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    files: &'a Files,
    listen: SocketAddr,
    format: &'a Format,
    keys: &'a [Key],
}

impl Site<'_> {
    /// Writes one file for all keys, and says where it is.
    fn key_file(&self) -> String {
        self.write("tickets", self.format.file(self.keys))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.files.path(name), content).expect("the file is written");
        self.files.text(name)
    }
}

impl Product {
    pub(crate) fn program(&self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        // Debian keeps servers where not every user's PATH leads.
        let directories = env::split_paths(&path).chain(["/usr/sbin".into()]);
        let mut programs = directories.map(|directory| directory.join(self.program));
        programs.find(|program| program.is_file())
    }

    /// What the server says that its version is.
    pub(crate) fn version(&self) -> String {
        let (argument, before) = self.version;
        let output = self.command().arg(argument).output().expect("it runs");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        let (_, version) = printed
            .split_once(before)
            .unwrap_or_else(|| panic!("no version in: {printed}"));
        let end = version.find(|c: char| c != '.' && !c.is_ascii_digit());
        version[..end.unwrap_or(version.len())].to_owned()
    }

    /// The session id context of a server with the certificate in `files`, as its source says.
    pub(crate) fn context_of(&self, files: &Files) -> Vec<u8> {
        (self.make_context)(files)
    }

    /// Starts it with what is in `files`, and waits until it listens.
    pub(crate) fn start(&self, files: &Files, format: &Format, keys: &[Key]) -> Running {
        for _ in 1..ATTEMPTS {
            if let Some(running) = self.try_start(files, format, keys) {
                return running;
            }
        }
        self.try_start(files, format, keys).unwrap_or_else(|| {
            let log = fs::read_to_string(files.path(LOG)).unwrap_or_default();
            panic!("{} ended: {log}", self.name)
        })
    }

    fn try_start(&self, files: &Files, format: &Format, keys: &[Key]) -> Option<Running> {
        let mut command = self.command();
        let listen = closed_port();
        let site = Site {
            files,
            listen,
            format,
            keys,
        };
        (self.configure)(&mut command, &site);
        let log = File::create(files.path(LOG)).expect("the log is writable");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("another descriptor"))
            .stderr(log);
        let mut running = Running {
            child: command.spawn().expect("it starts"),
            address: listen,
            log: files.path(LOG),
        };
        let mut ended = false;
        eventually(&format!("{} listens", self.name), || {
            ended = running.child.try_wait().expect("a child").is_some();
            ended || TcpStream::connect(listen).is_ok()
        });
        (!ended).then_some(running)
    }

    fn command(&self) -> Command {
        Command::new(self.program().expect("it is installed"))
    }
}

/// A server that listens. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Running {
    pub(crate) fn print_log(&self) {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        eprintln!("log of the server on {}:\n{log}", self.address);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Either may fail, if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            self.print_log();
        }
    }
}
