//! `keys convert`

use std::path::PathBuf;

use clap::Args;
use rekindle::tickets::TicketKeyFormat;

use super::error::KeysError;
use super::input::{Kind, Lifetime, now};
use super::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The file or folder
    path: PathBuf,

    /// Its format, or `secret`: then the keys around now are written, for servers that cannot derive them
    #[arg(long, value_name = "NAME")]
    from: Kind,

    /// The format to write
    #[arg(long, value_name = "NAME")]
    to: TicketKeyFormat,

    #[command(flatten)]
    lifetime: Lifetime,

    #[command(flatten)]
    output: Output,
}

impl Convert {
    pub(super) fn run(self) -> Result<(), KeysError> {
        let place = self.output.open()?;
        let keys = self.from.keys(&self.path, self.lifetime)?;
        place.put(&self.to.write(&keys, now())?)
    }
}
