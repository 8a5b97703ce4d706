//! A server that Debian has.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::site::Site;

/// Writes the files that a server reads, and says how to start it.
pub type Configure = fn(&Site<'_>) -> io::Result<Command>;

/// A server, installed or not.
#[derive(Debug)]
pub struct Product {
    /// What its authors call it.
    pub name: &'static str,
    /// What Debian calls it.
    pub package: &'static str,
    pub(super) program: &'static str,
    /// Argument that makes it print its version, and what it prints before that.
    pub(super) version: (&'static str, &'static str),
    /// How it starts in the foreground.
    pub configure: Configure,
}

impl Product {
    /// Where its program is, if it is installed.
    pub fn find(&self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        // Debian keeps servers where not every user's PATH leads.
        let system = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
        let directories = env::split_paths(&path).chain(system);
        let mut programs = directories.map(|directory| directory.join(self.program));
        programs.find(|program| program.is_file())
    }

    /// What the server says that its version is. It must be installed.
    pub fn version(&self) -> String {
        let (argument, before) = self.version;
        let mut command = Command::new(self.find().expect("it is installed"));
        let output = command.arg(argument).output().expect("it runs");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        let (_, version) = printed
            .split_once(before)
            .unwrap_or_else(|| panic!("no version in: {printed}"));
        let end = version.find(|c: char| c != '.' && !c.is_ascii_digit());
        version[..end.unwrap_or(version.len())].to_owned()
    }
}
