//! [`dispatch`]: runs a loop with the widest vector instructions of this processor.

use std::sync::OnceLock;

use pulp::Arch;

/// The instruction set of this processor, detected once.
static ARCH: OnceLock<Arch> = OnceLock::new();

/// The instruction set of this processor.
#[inline(always)]
pub(crate) fn arch() -> Arch {
    *ARCH.get_or_init(Arch::new)
}

/// Runs `f` compiled for the widest instruction set that this processor has.
///
/// What `f` calls must be inlined into it to profit: use `#[inline(always)]` functions such as
/// those of [`math`](super::math), and write a closure that is not tiny as
/// `dispatch(#[inline(always)] || ...)`. A call costs some 2 ns.
#[inline(always)]
pub(crate) fn dispatch<R>(f: impl FnOnce() -> R) -> R {
    arch().dispatch(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispatch_returns_what_the_closure_does() {
        let numbers = [1.0_f32, 2.0, 3.0];
        assert_eq!(dispatch(|| numbers.iter().sum::<f32>()), 6.0);
    }
}
