//! On other systems than Linux nothing is known of who may read a file.

use std::fs::Metadata;
use std::io;
use std::path::Path;

use crate::exposure::Exposure;

/// Not known here.
///
/// # Errors
///
/// None.
pub fn exposure(_path: &Path) -> io::Result<Option<Exposure>> {
    Ok(None)
}

pub(crate) fn of_file(_path: &Path, _file: &Metadata) -> Option<Exposure> {
    None
}

pub(crate) fn of_folder(_path: &Path, _folder: &Metadata) -> Option<Exposure> {
    None
}

/// Not known here.
pub fn is_mount_point(_path: &Path) -> bool {
    false
}
