//! [`count`], how often predictions of classes hit their targets.

use crate::kernels::parallel::{PIECE, join};
use crate::kernels::simd::dispatch;

/// Whether the predictions of a row, which come second, hit its target.
pub(super) trait Hit: Fn(&[f32], &[f32]) -> bool + Sync + Copy {}

impl<F: Fn(&[f32], &[f32]) -> bool + Sync + Copy> Hit for F {}

/// How many rows are hits: rows of `classes` predictions, with as many numbers of a one-hot target
/// or with a class id. Large batches are counted in halves, by several threads.
pub(super) fn count<const ONE_HOT: bool>(
    y_true: &[f32],
    y_pred: &[f32],
    classes: usize,
    hit: impl Hit,
) -> usize {
    let rows = y_pred.len() / classes.max(1);
    if y_pred.len() <= PIECE || rows < 2 {
        return dispatch(
            #[inline(always)]
            || count_together::<ONE_HOT>(y_true, y_pred, classes, hit),
        );
    }
    let half = rows / 2;
    let width = if ONE_HOT { classes } else { 1 };
    let (Some(t), Some(p)) = (
        y_true.split_at_checked(half * width),
        y_pred.split_at_checked(half * classes),
    ) else {
        return 0;
    };
    let (first, second) = join(
        || count::<ONE_HOT>(t.0, p.0, classes, hit),
        || count::<ONE_HOT>(t.1, p.1, classes, hit),
    );
    first + second
}

/// Where there are a few classes only, the compiler knows their number, and puts several rows into a
/// vector: three times as fast.
#[inline(always)]
fn count_together<const ONE_HOT: bool>(
    y_true: &[f32],
    y_pred: &[f32],
    classes: usize,
    hit: impl Hit,
) -> usize {
    macro_rules! few {
        ($($classes:literal)*) => {
            match classes {
                $(
                    $classes if ONE_HOT => of::<$classes, $classes>(y_true, y_pred, hit),
                    $classes => of::<1, $classes>(y_true, y_pred, hit),
                )*
                _ => {
                    let targets = y_true.chunks_exact(if ONE_HOT { classes.max(1) } else { 1 });
                    let rows = targets.zip(y_pred.chunks_exact(classes.max(1)));
                    rows.map(|(t, p)| usize::from(hit(t, p))).sum()
                }
            }
        };
    }
    few!(2 3 4 5 6 7 8 9 10)
}

/// The same with rows of `T` targets and `C` predictions.
#[inline(always)]
fn of<const T: usize, const C: usize>(y_true: &[f32], y_pred: &[f32], hit: impl Hit) -> usize {
    let rows = y_true
        .as_chunks::<T>()
        .0
        .iter()
        .zip(y_pred.as_chunks::<C>().0);
    // As `u32`, of which more fit into a vector; a piece has no more rows than that.
    rows.map(|(t, p)| u32::from(hit(t, p))).sum::<u32>() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_counted_once_whatever_the_classes_and_the_rows() {
        for classes in [1, 2, 3, 7, 10, 11, 40] {
            for rows in [0, 1, 2, 9, 3 * PIECE / classes + 5] {
                let y_pred = vec![0.5; rows * classes];
                let ids: Vec<f32> = (0..rows).map(|row| (row % 3) as f32).collect();
                let one_hot: Vec<f32> = ids.iter().flat_map(|id| vec![*id; classes]).collect();
                let hit = |t: &[f32], p: &[f32]| t[0] == 1.0 && p.len() == classes;
                let want = (rows + 1) / 3;
                assert_eq!(count::<false>(&ids, &y_pred, classes, hit), want);
                assert_eq!(count::<true>(&one_hot, &y_pred, classes, hit), want);
            }
        }
    }
}
