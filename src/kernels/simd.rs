//! [`dispatch`]: runs a loop with the widest vector instructions of this processor.

use std::sync::OnceLock;

use pulp::{Arch, Simd, WithSimd};

/// The instruction set of this processor and the `f32` lanes of its vectors.
#[derive(Clone, Copy)]
pub(crate) struct Instructions {
    arch: Arch,
    lanes: usize,
}

impl Instructions {
    /// What this processor has, detected once.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        static HERE: OnceLock<Instructions> = OnceLock::new();
        *HERE.get_or_init(|| {
            struct Lanes;
            impl WithSimd for Lanes {
                type Output = usize;
                #[inline(always)]
                fn with_simd<S: Simd>(self, _: S) -> usize {
                    S::F32_LANES
                }
            }
            let arch = Arch::new();
            let lanes = arch.dispatch(Lanes);
            Instructions { arch, lanes }
        })
    }
}

/// What runs code that is generic over the instruction set.
pub(crate) trait Run: Copy {
    /// The `f32` lanes of a vector.
    fn lanes(self) -> usize;

    /// Runs `op` compiled for the instruction set.
    fn run<Op: WithSimd>(self, op: Op) -> Op::Output;
}

impl Run for Instructions {
    #[inline(always)]
    fn lanes(self) -> usize {
        self.lanes
    }

    #[inline(always)]
    fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        self.arch.dispatch(op)
    }
}

/// Runs `f` compiled for the widest instruction set that this processor has.
///
/// What `f` calls must be inlined into it to profit: use `#[inline(always)]` functions such as
/// those of [`math`](super::math), and write a closure that is not tiny as
/// `dispatch(#[inline(always)] || ...)`. A call costs some 2 ns.
#[inline(always)]
pub(crate) fn dispatch<R>(f: impl FnOnce() -> R) -> R {
    Instructions::here().run(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispatch_returns_what_the_closure_does() {
        let numbers = [1.0_f32, 2.0, 3.0];
        assert_eq!(dispatch(|| numbers.iter().sum::<f32>()), 6.0);
    }

    #[test]
    fn lanes_are_a_power_of_two() {
        assert!([1, 4, 8, 16].contains(&Instructions::here().lanes()));
    }
}
