//! A line search for the strong Wolfe conditions: how far to go along a direction.
//!
//! Source: Nocedal and Wright, *Numerical optimization*, second edition, algorithms 3.5 and 3.6.

/// A point of a line: how far, the value there, and the slope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) t: f64,
    pub(super) value: f64,
    pub(super) slope: f64,
}

/// A decrease of at least this share of what the first slope promises.
const DECREASE: f64 = 1e-4;
/// A slope of at most this share of the first.
const CURVATURE: f64 = 0.9;
/// How often the function is asked at most.
const MOST: usize = 25;

/// A point that satisfies both conditions, or the best one seen that is lower than the start; nothing
/// if there is none. `at` gives value and slope at a distance.
pub(super) fn strong_wolfe(
    start: Point,
    first: f64,
    mut at: impl FnMut(f64) -> (f64, f64),
) -> Option<Point> {
    let mut asked = 0;
    let mut point = |t: f64| {
        let (value, slope) = at(t);
        Point { t, value, slope }
    };
    let falls = |p: &Point| p.value <= start.value + DECREASE * p.t * start.slope;
    let flat = |p: &Point| p.slope.abs() <= -CURVATURE * start.slope;

    let mut before = start;
    let mut t = first;
    let (mut low, mut high) = loop {
        let now = point(t);
        asked += 1;
        if !now.value.is_finite() || !now.slope.is_finite() {
            // Too far: somewhere between the two.
            break (
                before,
                Point {
                    value: f64::INFINITY,
                    slope: 0.0,
                    ..now
                },
            );
        }
        if !falls(&now) || (asked > 1 && now.value >= before.value) {
            break (before, now);
        }
        if flat(&now) {
            return Some(now);
        }
        if now.slope >= 0.0 {
            break (now, before);
        }
        if asked >= MOST {
            return Some(now);
        }
        before = now;
        t *= 2.0;
    };

    while asked < MOST {
        let now = point(between(&low, &high));
        asked += 1;
        if !now.value.is_finite() || !falls(&now) || now.value >= low.value {
            high = now;
        } else {
            if flat(&now) {
                return Some(now);
            }
            if now.slope * (high.t - low.t) >= 0.0 {
                high = low;
            }
            low = now;
        }
        if (high.t - low.t).abs() <= 1e-12 * low.t.abs().max(1e-6) {
            break;
        }
    }
    (low.t > 0.0 && low.value < start.value).then_some(low)
}

/// The lowest point of the cubic through two points with their slopes, held away from both.
fn between(low: &Point, high: &Point) -> f64 {
    let width = high.t - low.t;
    let middle = low.t + 0.5 * width;
    let d1 = low.slope + high.slope - 3.0 * (low.value - high.value) / (low.t - high.t);
    let under = d1 * d1 - low.slope * high.slope;
    if !under.is_finite() || under < 0.0 {
        return middle;
    }
    let d2 = under.sqrt().copysign(width);
    let t = high.t - width * (high.slope + d2 - d1) / (high.slope - low.slope + 2.0 * d2);
    let (near, far) = (low.t + 0.1 * width, low.t + 0.9 * width);
    match t.is_finite() {
        true => t.clamp(near.min(far), near.max(far)),
        false => middle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(f: impl Fn(f64) -> (f64, f64), first: f64) -> Point {
        let (value, slope) = f(0.0);
        let start = Point {
            t: 0.0,
            value,
            slope,
        };
        let found = strong_wolfe(start, first, f).expect("a point");
        assert!(found.value <= value + 1e-4 * found.t * slope, "{found:?}");
        assert!(found.slope.abs() <= 0.9 * slope.abs(), "{found:?}");
        found
    }

    #[test]
    fn both_conditions_hold_from_any_first_step() {
        for first in [1e-3, 0.1, 1.0, 10.0, 1e3] {
            // A parabola, one that rises steeply, and one with many valleys.
            search(|t| ((t - 3.0) * (t - 3.0), 2.0 * (t - 3.0)), first);
            search(
                |t| ((2.0 * t).exp() - 20.0 * t, 2.0 * (2.0 * t).exp() - 20.0),
                first,
            );
            search(|t| (t * t / 50.0 - t.sin(), t / 25.0 - t.cos()), first);
        }
    }

    #[test]
    fn where_the_function_ends_it_turns_back() {
        // The logarithm is not a number beyond 2.
        let f = |t: f64| (-(2.0 - t).ln() - 3.0 * t, 1.0 / (2.0 - t) - 3.0);
        assert!(search(f, 100.0).t < 2.0);
    }

    #[test]
    fn nothing_is_found_uphill() {
        let start = Point {
            t: 0.0,
            value: 0.0,
            slope: -1.0,
        };
        assert_eq!(strong_wolfe(start, 1.0, |t| (t, 1.0)), None);
    }
}
