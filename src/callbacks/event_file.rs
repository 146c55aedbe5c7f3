//! Event files, which TensorBoard reads: a row of records, each a protocol buffer.
//!
//! Source: TensorFlow's `event.proto`, `summary.proto` and `tensor.proto`, and the framing of
//! `TFRecord` files, <https://www.tensorflow.org/tutorials/load_data/tfrecord>.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};

static CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// How many bars a histogram has.
const BARS: usize = 30;

/// A file that events are added to.
#[derive(Debug)]
pub(super) struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventFile {
    /// A new file in a folder, which is made if need be.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        // Trainings that begin in the same second of one program have files of their own.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(folder)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (seconds, process) = (now() as u64, std::process::id());
        let name = format!(
            "events.out.tfevents.{seconds}.{}.{process}.{number}.v2",
            host()
        );
        EventFile::to(&folder.join(name))
    }

    /// A new file at a path.
    pub(super) fn to(path: &Path) -> io::Result<Self> {
        let mut new = EventFile {
            file: BufWriter::new(File::create(path)?),
            path: path.to_path_buf(),
        };
        new.event(0, |event| event.text(3, "brain.Event:2"))?;
        Ok(new)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds one number.
    pub(super) fn scalar(&mut self, step: u64, tag: &str, value: f32) -> io::Result<()> {
        self.value(step, tag, ("scalars", SCALAR), |tensor| {
            tensor.number(1, DT_FLOAT);
            tensor.message(2, |_| {});
            tensor.bytes(4, &value.to_le_bytes());
        })
    }

    /// Adds how numbers are distributed; those that are not finite are left out.
    pub(super) fn histogram(&mut self, step: u64, tag: &str, values: &[f32]) -> io::Result<()> {
        let bars = bars(values);
        self.value(step, tag, ("histograms", TENSOR), |tensor| {
            tensor.number(1, DT_DOUBLE);
            tensor.message(2, |shape| {
                shape.message(2, |dim| dim.number(1, bars.len() as u64));
                shape.message(2, |dim| dim.number(1, 3));
            });
            let numbers = bars
                .iter()
                .flatten()
                .flat_map(|number| number.to_le_bytes());
            tensor.bytes(4, &numbers.collect::<Vec<u8>>());
        })
    }

    /// Adds a tensor for a plugin of TensorBoard.
    fn value(
        &mut self,
        step: u64,
        tag: &str,
        (plugin, class): (&str, u64),
        tensor: impl FnOnce(&mut Message),
    ) -> io::Result<()> {
        self.event(step, |event| {
            event.message(5, |summary| {
                summary.message(1, |value| {
                    value.text(1, tag);
                    value.message(8, tensor);
                    value.message(9, |metadata| {
                        metadata.message(1, |data| data.text(1, plugin));
                        metadata.number(4, class);
                    });
                });
            });
        })
    }

    fn event(&mut self, step: u64, content: impl FnOnce(&mut Message)) -> io::Result<()> {
        let mut event = Message::default();
        event.double(1, now());
        if step > 0 {
            event.number(2, step);
        }
        content(&mut event);
        let length = (event.0.len() as u64).to_le_bytes();
        self.file.write_all(&length)?;
        self.file.write_all(&checksum(&length).to_le_bytes())?;
        self.file.write_all(&event.0)?;
        self.file.write_all(&checksum(&event.0).to_le_bytes())
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Types of tensors, and classes of data.
const DT_FLOAT: u64 = 1;
const DT_DOUBLE: u64 = 2;
const SCALAR: u64 = 1;
const TENSOR: u64 = 2;

/// A protocol buffer that grows.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.varint(field << 3);
        self.varint(number);
    }

    fn double(&mut self, field: u64, number: f64) {
        self.varint(field << 3 | 1);
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, content: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        content(&mut inner);
        self.bytes(field, &inner.0);
    }
}

/// The checksum of a record: rotated, so that one of data that hold checksums is another.
fn checksum(bytes: &[u8]) -> u32 {
    CASTAGNOLI
        .checksum(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// Left and right edge of each bar, and how many numbers are in it.
fn bars(values: &[f32]) -> Vec<[f64; 3]> {
    let finite = || values.iter().filter(|value| value.is_finite());
    let low = finite().fold(f64::INFINITY, |low, value| low.min(f64::from(*value)));
    let high = finite().fold(f64::NEG_INFINITY, |high, value| high.max(f64::from(*value)));
    if low > high {
        return Vec::new();
    }
    // Equal numbers have a histogram, too.
    let (low, high) = if low == high {
        (low - 0.5, low + 0.5)
    } else {
        (low, high)
    };
    let width = (high - low) / BARS as f64;
    let edge = |bar: usize| {
        if bar == BARS {
            high
        } else {
            low + bar as f64 * width
        }
    };
    let mut bars: Vec<[f64; 3]> = (0..BARS)
        .map(|bar| [edge(bar), edge(bar + 1), 0.0])
        .collect();
    for value in finite() {
        let bar = ((f64::from(*value) - low) / width) as usize;
        if let Some([.., count]) = bars.get_mut(bar.min(BARS - 1)) {
            *count += 1.0;
        }
    }
    bars
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// The name of the machine, where it says it, of letters that any file may have.
fn host() -> String {
    let name = std::env::var("HOSTNAME").ok();
    let name = name.or_else(|| fs::read_to_string("/etc/hostname").ok());
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let name: String = name
        .unwrap_or_default()
        .chars()
        .filter(plain)
        .take(60)
        .collect();
    match name.is_empty() {
        true => "localhost".into(),
        false => name,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A field of a protocol buffer.
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) enum Field {
        Number(u64),
        Double(f64),
        Bytes(Vec<u8>),
    }

    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            number |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let field = match key & 7 {
                0 => Field::Number(varint(&mut bytes)),
                1 => {
                    let (number, rest) = bytes.split_first_chunk::<8>().unwrap();
                    bytes = rest;
                    Field::Double(f64::from_le_bytes(*number))
                }
                2 => {
                    let length = varint(&mut bytes) as usize;
                    let (content, rest) = bytes.split_at(length);
                    bytes = rest;
                    Field::Bytes(content.to_vec())
                }
                other => panic!("{other}"),
            };
            fields.push((key >> 3, field));
        }
        fields
    }

    /// The content of the field at a path of nested messages.
    fn at(bytes: &[u8], path: &[u64]) -> Option<Field> {
        let (first, rest) = path.split_first()?;
        let field = fields(bytes)
            .into_iter()
            .find(|(number, _)| number == first)?
            .1;
        match (&field, rest.is_empty()) {
            (_, true) => Some(field),
            (Field::Bytes(inner), false) => at(inner, rest),
            _ => None,
        }
    }

    /// Tag, step, plugin and the numbers of each value in a file, whose checksums are checked.
    pub(crate) fn read(path: &Path) -> Vec<(String, u64, String, Vec<f64>)> {
        let bytes = fs::read(path).unwrap();
        let mut rest = bytes.as_slice();
        let mut values = Vec::new();
        let mut first = true;
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let sum = |from: usize| u32::from_le_bytes(rest[from..from + 4].try_into().unwrap());
            assert_eq!(sum(8), checksum(&rest[..8]));
            let event = &rest[12..12 + length];
            assert_eq!(sum(12 + length), checksum(event));
            assert!(matches!(at(event, &[1]), Some(Field::Double(time)) if time > 1e9));
            if first {
                assert_eq!(
                    at(event, &[3]),
                    Some(Field::Bytes(b"brain.Event:2".to_vec()))
                );
                first = false;
            } else {
                let text = |path: &[u64]| match at(event, path) {
                    Some(Field::Bytes(text)) => String::from_utf8(text).unwrap(),
                    other => panic!("{other:?}"),
                };
                let step = match at(event, &[2]) {
                    Some(Field::Number(step)) => step,
                    _ => 0,
                };
                let Some(Field::Bytes(content)) = at(event, &[5, 1, 8, 4]) else {
                    panic!("no tensor");
                };
                let numbers = match at(event, &[5, 1, 8, 1]) {
                    Some(Field::Number(DT_FLOAT)) => {
                        let (numbers, _) = content.as_chunks::<4>();
                        numbers
                            .iter()
                            .map(|n| f64::from(f32::from_le_bytes(*n)))
                            .collect()
                    }
                    _ => {
                        let (numbers, _) = content.as_chunks::<8>();
                        numbers.iter().map(|n| f64::from_le_bytes(*n)).collect()
                    }
                };
                values.push((text(&[5, 1, 1]), step, text(&[5, 1, 9, 1, 1]), numbers));
            }
            rest = &rest[16 + length..];
        }
        values
    }

    #[test]
    fn checksums_are_those_of_tfrecord_files() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(CASTAGNOLI.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(
            checksum(&[0; 32]),
            0x8a91_36aa_u32.rotate_right(15).wrapping_add(0xa282_ead8)
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let mut file = EventFile::create(&inner).unwrap();
        file.scalar(0, "loss", 0.5).unwrap();
        file.scalar(300, "loss", f32::NAN).unwrap();
        file.histogram(2, "w", &[0.0, 1.0, 1.0, f32::INFINITY])
            .unwrap();
        file.histogram(3, "w", &[]).unwrap();
        file.flush().unwrap();
        let values = read(file.path());
        assert_eq!(values[0], ("loss".into(), 0, "scalars".into(), vec![0.5]));
        assert!(values[1].1 == 300 && values[1].3[0].is_nan());
        let bars = &values[2].3;
        assert_eq!((values[2].2.as_str(), bars.len()), ("histograms", 3 * BARS));
        assert_eq!(
            (bars[0], bars[2], bars[3 * BARS - 2], bars[3 * BARS - 1]),
            (0.0, 1.0, 1.0, 2.0)
        );
        assert!(values[3].3.is_empty());
        // Another has another name.
        assert_ne!(EventFile::create(&inner).unwrap().path(), file.path());
    }

    #[test]
    fn equal_numbers_have_a_histogram() {
        let bars = bars(&[3.0; 4]);
        assert_eq!(bars.iter().map(|bar| bar[2]).sum::<f64>(), 4.0);
        assert_eq!((bars[0][0], bars[BARS - 1][1]), (2.5, 3.5));
    }
}
