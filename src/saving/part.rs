//! [`Part`]: bytes of a file, or in memory, that are read where they are needed.

use std::fs::File;
use std::io;
use std::sync::Arc;

use hdf5_pure::{FormatError, Source};
use rayon::prelude::*;

/// So many bytes are read at a time, each time by some thread: enough to be worth it, and few enough to
/// stay in its cache.
const PIECE: usize = 1 << 20;

/// A run of bytes of a file or in memory, read at places by any number of threads; a copy is the same
/// bytes.
#[derive(Debug, Clone)]
pub(crate) struct Part(Arc<Bytes>);

#[derive(Debug)]
enum Bytes {
    Memory(Vec<u8>),
    /// So many bytes of a file, from a place on.
    #[cfg(unix)]
    File {
        file: File,
        start: u64,
        size: u64,
    },
}

impl Part {
    /// Bytes in memory.
    pub(crate) fn memory(bytes: Vec<u8>) -> Part {
        Part(Arc::new(Bytes::Memory(bytes)))
    }

    /// So many bytes of a file, from a place on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] for a file that has less, and what the system says.
    pub(crate) fn of(file: &File, start: u64, size: u64) -> io::Result<Part> {
        let end = start.checked_add(size);
        if end.is_none_or(|end| end > file.metadata().map_or(0, |data| data.len())) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Part::within(file, start, size)
    }

    #[cfg(unix)]
    fn within(file: &File, start: u64, size: u64) -> io::Result<Part> {
        let file = file.try_clone()?;
        Ok(Part(Arc::new(Bytes::File { file, start, size })))
    }

    /// All is read here, where a file has one place only.
    #[cfg(not(unix))]
    fn within(mut file: &File, start: u64, size: u64) -> io::Result<Part> {
        use std::io::{Read, Seek, SeekFrom};
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(size).read_to_end(&mut bytes)?;
        match bytes.len() as u64 == size {
            true => Ok(Part::memory(bytes)),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> u64 {
        match &*self.0 {
            Bytes::Memory(bytes) => bytes.len() as u64,
            #[cfg(unix)]
            Bytes::File { size, .. } => *size,
        }
    }

    /// Fills a buffer with what is at a place.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] where it ends before, and what the system says.
    pub(crate) fn read(&self, at: u64, to: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(to.len() as u64);
        if end.is_none_or(|end| end > self.size()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match &*self.0 {
            Bytes::Memory(bytes) => {
                let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
                let from = from.and_then(|from| from.get(..to.len()));
                to.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            #[cfg(unix)]
            Bytes::File { file, start, .. } => {
                use std::os::unix::fs::FileExt;
                file.read_exact_at(to, start.saturating_add(at))
            }
        }
    }

    /// The same on all threads.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); then some of it may be filled.
    pub(crate) fn read_all(&self, at: u64, to: &mut [u8]) -> io::Result<()> {
        if to.len() <= PIECE {
            return self.read(at, to);
        }
        let pieces = to.par_chunks_mut(PIECE).enumerate();
        pieces.try_for_each(|(number, piece)| {
            let before = (number * PIECE) as u64;
            self.read(at.saturating_add(before), piece)
        })
    }

    /// All bytes.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let size = usize::try_from(self.size()).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(size)?;
        bytes.resize(size, 0);
        self.read_all(0, &mut bytes)?;
        Ok(bytes)
    }

    /// The checksum that zip archives keep (CRC-32).
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn checksum(&self) -> io::Result<u32> {
        let starts: Vec<u64> = (0..self.size()).step_by(PIECE).collect();
        let sums: io::Result<Vec<crc32fast::Hasher>> = starts
            .into_par_iter()
            .map_init(Vec::new, |buffer, start| {
                let length = (self.size() - start).min(PIECE as u64);
                buffer.resize(length as usize, 0);
                self.read(start, buffer)?;
                let mut sum = crc32fast::Hasher::new();
                sum.update(buffer);
                Ok(sum)
            })
            .collect();
        let mut whole = crc32fast::Hasher::new();
        sums?.iter().for_each(|sum| whole.combine(sum));
        Ok(whole.finalize())
    }
}

impl Source for Part {
    fn len(&self) -> u64 {
        self.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FormatError> {
        let read = self.read(offset, buffer);
        read.map_err(|error| FormatError::Source(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The same bytes in memory and in the midst of a file.
    fn both(bytes: &[u8]) -> [Part; 2] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before").unwrap();
        file.write_all(bytes).unwrap();
        file.write_all(b"after").unwrap();
        let part = Part::of(&file, 6, bytes.len() as u64).unwrap();
        [part, Part::memory(bytes.to_vec())]
    }

    #[test]
    fn pieces_are_read_and_nothing_beyond_the_end() {
        for part in both(b"0123456789") {
            let mut three = [0; 3];
            part.read(7, &mut three).unwrap();
            assert_eq!(&three, b"789");
            for at in [8, 10, u64::MAX] {
                let error = part.read(at, &mut three).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            }
            assert_eq!(
                (part.size(), part.bytes().unwrap()),
                (10, b"0123456789".to_vec())
            );
        }
        let file = tempfile::tempfile().unwrap();
        for (start, size) in [(0, 1), (1, 0), (u64::MAX, 2)] {
            assert!(Part::of(&file, start, size).is_err());
        }
    }

    #[test]
    fn threads_read_and_sum_the_same_bytes() {
        let bytes: Vec<u8> = (0..3 * PIECE + 77).map(|n| (n * n / 7) as u8).collect();
        for part in both(&bytes) {
            let mut read = vec![0; bytes.len() - 5];
            part.read_all(5, &mut read).unwrap();
            assert!(read == bytes[5..]);
            assert_eq!(part.checksum().unwrap(), crc32fast::hash(&bytes));
        }
        for part in both(b"") {
            assert_eq!(part.checksum().unwrap(), 0);
        }
        // The standard's own example.
        for part in both(b"123456789") {
            assert_eq!(part.checksum().unwrap(), 0xCBF4_3926);
        }
    }
}
