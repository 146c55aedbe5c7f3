//! [`Whole`]: all of a model that files keep, borrowed.

use crate::graph::variables::Variables;
use crate::model::extras::{Check, Extras};
use crate::model::network::Network;
use crate::model::{Compile, History};
use crate::optimizers::{Optimizer, State};
use crate::shape::Shape;

/// All of a built model that files keep; a model lends it, and a training between two steps.
#[derive(Clone, Copy)]
pub(crate) struct Whole<'m> {
    pub(crate) name: &'m str,
    pub(crate) seed: u64,
    pub(crate) network: &'m Network,
    pub(crate) variables: &'m Variables,
    pub(crate) parameters: &'m [f32],
    /// The shape of each layer's output, for some batch.
    pub(crate) shapes: &'m [Shape],
    /// The shape of one row of each input.
    pub(crate) rows: &'m [Vec<usize>],
    pub(crate) extras: &'m Extras,
    pub(crate) history: Option<&'m History>,
    /// A prediction to check the model by.
    pub(crate) check: Option<&'m Check>,
    pub(crate) training: Option<Trained<'m>>,
}

/// What a model is trained with, and how far it is.
#[derive(Clone, Copy)]
pub(crate) struct Trained<'m> {
    pub(crate) asked: &'m Compile,
    pub(crate) optimizer: &'m dyn Optimizer,
    pub(crate) state: &'m State,
}
