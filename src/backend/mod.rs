//! What runs a plan. Today: the CPU.

pub(crate) mod cpu;
