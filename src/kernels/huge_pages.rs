//! Memory in pages of 2 MB, where the system has them and is asked.

/// Buffers from this many bytes on are worth a call of the system.
const LARGE: usize = 4 << 20;

/// Asks the system to give a large buffer memory in huge pages, of which it has not touched the memory
/// yet. An ordinary page costs an interrupt for each 4 KB, which for 100 MB takes longer than filling
/// them, and a place in the processor's table of pages.
///
/// Without an effect where the system does not know it.
pub(super) fn ask(numbers: &mut [f32]) {
    let bytes = size_of_val(numbers);
    if bytes >= LARGE {
        advise(numbers.as_mut_ptr().cast(), bytes);
    }
}

#[cfg(target_os = "linux")]
fn advise(start: *mut u8, bytes: usize) {
    const PAGE: usize = 4096;
    let skipped = start.align_offset(PAGE);
    let Some(whole) = bytes.checked_sub(skipped) else {
        return;
    };
    // SAFETY: the range begins `skipped` bytes into the caller's buffer and ends in it, and the buffer
    // is borrowed mutably. The advice changes how the system backs the memory, never what is in it; a
    // range that it does not take (pages of another size) is an error without an effect.
    unsafe {
        libc::madvise(
            start.add(skipped).cast(),
            whole / PAGE * PAGE,
            libc::MADV_HUGEPAGE,
        );
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_start: *mut u8, _bytes: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_memory_stays() {
        for size in [LARGE / 4 - 1, LARGE / 4, LARGE / 4 + 1037] {
            let mut numbers: Vec<f32> = (0..size).map(|number| number as f32).collect();
            ask(&mut numbers);
            let same = numbers.iter().enumerate();
            assert!(
                same.into_iter()
                    .all(|(place, number)| *number == place as f32)
            );
            numbers[size - 1] = 0.5;
            assert_eq!(numbers[size - 1], 0.5);
        }
    }
}
