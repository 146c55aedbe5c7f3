//! Files that are whole or not there: written beside their place, synced, and moved there.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// How the names end of files that are being written.
const PART: &str = ".part";

/// Writes a file so that a crash at any moment leaves the old one or the new one: what `write`
/// writes goes to a file beside it, reaches the disk, and takes the name; then the folder reaches
/// the disk too. Folders are made.
///
/// # Errors
///
/// [`Error::Io`] for the file; then the old one is there as it was.
pub(crate) fn write(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    replace(path, |beside| {
        let mut writer = BufWriter::with_capacity(1 << 16, File::create(beside)?);
        write(&mut writer)?;
        writer.flush()
    })
}

/// The same for what makes the file beside it itself.
///
/// # Errors
///
/// As [`write`].
pub(crate) fn replace(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(|source| broken(folder, source))?;
    let beside = beside(path);
    let written = make(&beside)
        .and_then(|()| File::options().write(true).open(&beside)?.sync_all())
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| sync_folder(folder));
    written.map_err(|source| {
        // What is left of it is of no use; that it cannot be removed is no news either.
        let _ = fs::remove_file(&beside);
        broken(path, source)
    })
}

/// Removes what writers of this file have left that were killed.
///
/// # Errors
///
/// What the file system says.
pub(crate) fn remove_parts(path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = match path.parent().map(fs::read_dir) {
        Some(Ok(folder)) => folder,
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => return Ok(()),
    };
    for entry in folder {
        let entry = entry?;
        let other = entry.file_name();
        let other = other.to_string_lossy();
        if other.starts_with(&format!("{name}.")) && other.ends_with(PART) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A name beside a path that no other writer of this process or another has.
fn beside(path: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}-{number}{PART}", std::process::id()));
    path.with_file_name(name)
}

/// The new name is on the disk once its folder is; only Unix can open a folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}

fn broken(path: &Path, source: io::Error) -> Error {
    Error::Io {
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        write(&path, |file| file.write_all(b"old")).unwrap();
        let failed = write(&path, |file| {
            file.write_all(b"ne")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.unwrap_err().to_string().contains("the disk is full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
