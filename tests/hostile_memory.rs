//! No file, however broken, makes a reader take more memory than 20 times its size and 64 MB.
//!
//! All is counted in one test function: the counter sees every thread of the process.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use horn::prelude::*;
use zip::CompressionMethod;

struct Counting;

/// The bytes that are allocated now, and the most since [`most`] began.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn more(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    MOST.fetch_max(live, Relaxed);
}

// SAFETY: all that is asked is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be there while it moves.
        more(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that a piece of work has at a time.
fn most(work: impl FnOnce()) -> usize {
    let before = LIVE.load(Relaxed);
    MOST.store(before, Relaxed);
    work();
    MOST.load(Relaxed) - before
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut all = Vec::new();
    for number in 0..zip.len() {
        let mut entry = zip.by_index(number).unwrap();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        all.push((entry.name().unwrap().into_owned(), data));
    }
    all
}

fn zipped(entries: &[(String, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, data) in entries {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(data).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A xorshift generator: what is tried depends on the seed alone.
fn next(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state % below.max(1) as u64) as usize
}

/// Sets a few bytes to what a length or a count would be at its extremes, doubles a piece, or cuts.
fn damage(bytes: &mut Vec<u8>, state: &mut u64) {
    for _ in 0..1 + next(state, 4) {
        let place = next(state, bytes.len());
        let end = (place + 1 + next(state, 8)).min(bytes.len());
        match next(state, 5) {
            0 => bytes[place] ^= 1 << next(state, 8),
            1 => bytes[place..end].fill(0xff),
            2 => bytes[place..end].fill(0x7f),
            3 => {
                let piece = bytes[place..end].to_vec();
                bytes.splice(place..place, piece);
            }
            _ => bytes.truncate((place + 1).max(bytes.len() / 2)),
        }
    }
}

/// Digits in front of a digit: units, shapes and counts that are large.
fn enlarge(text: &mut Vec<u8>, state: &mut u64) {
    let digits: Vec<usize> = (0..text.len())
        .filter(|i| text[*i].is_ascii_digit())
        .collect();
    if digits.is_empty() {
        return;
    }
    let place = digits[next(state, digits.len())];
    let more = b"1234567".repeat(2);
    let length = 1 + next(state, more.len());
    text.splice(place..place, more[..length].iter().copied());
}

/// Archives that are made to grow: entries of zeros, JSON of brackets, and huge layers.
fn grown(whole: &[(String, Vec<u8>)]) -> Vec<Vec<u8>> {
    let with = |entry: &str, data: Vec<u8>| {
        let mut all = whole.to_vec();
        all.iter_mut()
            .filter(|(name, _)| name == entry)
            .for_each(|(_, old)| *old = data.clone());
        zipped(&all, CompressionMethod::Deflated)
    };
    let of = |entry: &str| &whole.iter().find(|(name, _)| name == entry).unwrap().1;
    let mut weights = of("model.weights.h5").clone();
    weights.resize(60_000_000, 0);
    let config = String::from_utf8(of("config.json").clone()).unwrap();
    let mut all = vec![with("model.weights.h5", weights)];
    for text in ["{\"\":0},", "[],", "0,", "\"\",", "[[[[[0]]]]],"] {
        for bytes in [100_000, 1_000_000, 20_000_000] {
            let text = format!("[{}0]", text.repeat(bytes / text.len()));
            all.push(with("config.json", text.clone().into_bytes()));
            all.push(with("metadata.json", text.into_bytes()));
        }
    }
    for units in ["100000", "400000", "700000", "2000000", "100000000000"] {
        let config = config.replace("\"units\": 12", &format!("\"units\": {units}"));
        all.push(with("config.json", config.into_bytes()));
    }
    all
}

/// The first chunk of each data set says that it takes 2 GB in the file, or that it lies far outside of
/// the data set.
fn strange_chunks(whole: &[u8]) -> [Vec<u8>; 2] {
    let nodes: Vec<usize> = (0..whole.len() - 40)
        .filter(|place| whole[*place..].starts_with(b"TREE\x01"))
        .collect();
    assert!(!nodes.is_empty());
    let (mut huge, mut far) = (whole.to_vec(), whole.to_vec());
    for place in nodes {
        huge[place + 24..place + 28].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
        far[place + 32..place + 40].copy_from_slice(&u64::MAX.to_le_bytes());
    }
    [huge, far]
}

#[test]
fn a_file_takes_no_more_than_20_times_its_size_and_64_mb() {
    let copies: u64 = std::env::var("HORN_MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(40);
    let folder = tempfile::tempdir().unwrap();
    let check = |bytes: &[u8], ending: &str, model: &mut Model| {
        let path = folder.path().join(format!("broken.{ending}"));
        std::fs::write(&path, bytes).unwrap();
        let limit = bytes.len() * 20 + (64 << 20);
        let loaded = most(|| drop(Model::load(&path)));
        assert!(
            loaded <= limit,
            "{ending}: {loaded} bytes of {limit} for a model"
        );
        let loaded = most(|| drop(model.load_weights(&path)));
        assert!(
            loaded <= limit,
            "{ending}: {loaded} bytes of {limit} for weights"
        );
    };
    let mut model = Model::load(golden("tutorial.keras")).unwrap();
    for ending in ["safetensors", "npz"] {
        model
            .save_weights(folder.path().join(format!("own.{ending}")))
            .unwrap();
    }
    let files = [
        (golden("tutorial.keras"), "keras"),
        (golden("functional.keras"), "keras"),
        (golden("tutorial.weights.h5"), "weights.h5"),
        (golden("tutorial.chunked.weights.h5"), "weights.h5"),
        (golden("legacy_tutorial.h5"), "h5"),
        (folder.path().join("own.safetensors"), "safetensors"),
        (folder.path().join("own.npz"), "npz"),
    ];
    for (file, ending) in files {
        let whole = std::fs::read(&file).unwrap();
        for copy in 0..copies {
            let mut state = 0x9e37_79b9_7f4a_7c15 ^ ((copy + 1) * 0x1_0000_0001);
            let mut bytes = whole.clone();
            if matches!(ending, "keras" | "npz") && copy % 2 == 0 {
                // Inside, where no checksum tells.
                let mut inside = entries(&whole);
                let place = next(&mut state, inside.len());
                let (name, data) = &mut inside[place];
                match name.ends_with(".json") {
                    true => enlarge(data, &mut state),
                    false => damage(data, &mut state),
                }
                let methods = [CompressionMethod::Deflated, CompressionMethod::Stored];
                bytes = zipped(&inside, methods[copy as usize / 2 % 2]);
            } else {
                damage(&mut bytes, &mut state);
            }
            check(&bytes, ending, &mut model);
        }
    }
    let chunked = std::fs::read(golden("tutorial.chunked.weights.h5")).unwrap();
    for bytes in strange_chunks(&chunked) {
        check(&bytes, "weights.h5", &mut model);
    }
    let whole = entries(&std::fs::read(golden("tutorial.keras")).unwrap());
    for bytes in grown(&whole) {
        check(&bytes, "keras", &mut model);
    }
}
