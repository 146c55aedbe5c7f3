//! The limits that a reader keeps: memory, by a counting allocator, and the time of a processor.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

/// The bytes that are allocated now, and the most since [`watched`] began.
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
        // Both are there while it moves.
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

/// Runs a reader of a file of this size.
///
/// # Panics
///
/// When it takes more memory than 20 times the file and 64 MB, or more than a second.
pub fn watched(size: usize, read: impl FnOnce()) {
    let before = LIVE.load(Relaxed);
    MOST.store(before, Relaxed);
    let start = processor_time();
    read();
    let seconds = (processor_time() - start) as f64 / 1e9;
    let most = MOST.load(Relaxed) - before;
    let limit = size * 20 + (64 << 20);
    assert!(
        most <= limit,
        "{most} bytes for a file of {size}, allowed are {limit}"
    );
    // The sanitizer makes everything some times slower.
    assert!(seconds <= 3.0, "{seconds} s for a file of {size} bytes");
}

/// The nanoseconds that this thread has had a processor: other processes do not count. Zero where the
/// system does not tell.
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or(0)
}
