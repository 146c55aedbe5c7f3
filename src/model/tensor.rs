//! [`Tensor`], a value of a model to be, and how layers are applied to it.

use std::fmt;
use std::ops;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::layers::{Add, Input, Layer, Multiply, Subtract};

/// A value of a model to be: what an [`Input`] or a layer applied to other tensors gives.
///
/// It is a cheap handle without a shape or numbers: [`Model::new`](super::Model::new) makes a model
/// of those that are its inputs and outputs. `+`, `-` and `*` apply [`Add`], [`Subtract`] and
/// [`Multiply`].
///
/// Source: <https://keras.io/guides/functional_api/>
///
/// # Examples
///
/// A block with a way around it:
///
/// ```
/// use horn::prelude::*;
///
/// let input = Input::new([8]).tensor();
/// let hidden = Dense::new(16).activation(Relu).apply(&input);
/// let sum = Dense::new(8).apply(&hidden) + &input;
/// let mut model = Model::new(&input, Dense::new(1).activation(Sigmoid).apply(&sum));
/// model.build()?;
/// assert_eq!(model.count_params(), 8 * 16 + 16 + 16 * 8 + 8 + 8 + 1);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    pub(crate) call: Arc<Call>,
    /// Which of the layer's outputs it is.
    pub(crate) output: usize,
}

/// A layer applied to tensors.
pub(crate) struct Call {
    /// Later calls have larger numbers, so that each reads only smaller ones.
    pub(crate) id: u64,
    pub(crate) layer: Arc<dyn Layer>,
    pub(crate) inputs: Vec<Tensor>,
    /// Whether it stands for what a model is given.
    pub(crate) is_input: bool,
}

impl Drop for Call {
    /// One after another: a long chain would not fit on the stack otherwise.
    fn drop(&mut self) {
        let mut waiting = std::mem::take(&mut self.inputs);
        while let Some(tensor) = waiting.pop() {
            if let Some(mut call) = Arc::into_inner(tensor.call) {
                waiting.append(&mut call.inputs);
            }
        }
    }
}

impl fmt::Debug for Tensor {
    /// The layer that gives it; not what that layer was applied to.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Tensor")
            .field("layer", &self.call.layer)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

pub(crate) fn call(layer: Arc<dyn Layer>, inputs: Vec<Tensor>, is_input: bool) -> Tensor {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = Call {
        id: CALLS.fetch_add(1, Ordering::Relaxed),
        layer,
        inputs,
        is_input,
    };
    Tensor {
        call: Arc::new(call),
        output: 0,
    }
}

impl Tensor {
    /// Another output of the layer that gives this one, by its number from 0: of a layer that gives
    /// several, such as a model.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let x = Input::new([4]).tensor();
    /// let two = Model::new(&x, [Dense::new(2).apply(&x), Dense::new(3).apply(&x)]);
    ///
    /// let y = Input::new([4]).tensor();
    /// let first = two.apply(&y);
    /// let mut model = Model::new(&y, [&first, &first.output(1)]);
    /// model.build()?;
    /// assert_eq!(model.output_shapes()?, [[2], [3]]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn output(&self, output: usize) -> Tensor {
        Tensor {
            call: Arc::clone(&self.call),
            output,
        }
    }
}

impl Input {
    /// What a model will be given, to apply layers to.
    ///
    /// # Examples
    ///
    /// See [`Tensor`].
    pub fn tensor(self) -> Tensor {
        call(Arc::new(self), Vec::new(), true)
    }
}

/// How a layer is applied to tensors: a method of every [`Layer`].
///
/// # Examples
///
/// See [`Tensor`], and [`Shared`] for a layer that is applied more than once.
pub trait Apply: Layer + Sized + 'static {
    /// What the layer gives for these tensors. Shapes that do not fit are told when the model is
    /// built.
    fn apply(self, inputs: impl Tensors) -> Tensor {
        self.shared().apply(inputs)
    }

    /// The layer, to be applied more than once with the same weights.
    fn shared(self) -> Shared {
        Shared {
            layer: Arc::new(self),
        }
    }
}

impl<L: Layer + Sized + 'static> Apply for L {}

/// A layer that is applied more than once, with the same weights each time.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let (a, b) = (Input::new([4]).tensor(), Input::new([4]).tensor());
/// let encoder = Dense::new(3).shared();
/// let distance = encoder.apply(&a) - encoder.apply(&b);
/// let mut model = Model::new([&a, &b], distance);
/// model.build()?;
/// assert_eq!(model.count_params(), 4 * 3 + 3);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Shared {
    layer: Arc<dyn Layer>,
}

impl Shared {
    /// What the layer gives for these tensors.
    pub fn apply(&self, inputs: impl Tensors) -> Tensor {
        call(Arc::clone(&self.layer), inputs.tensors(), false)
    }
}

impl From<Arc<dyn Layer>> for Shared {
    fn from(layer: Arc<dyn Layer>) -> Self {
        Shared { layer }
    }
}

/// One tensor or several, in order: what layers are applied to, and what models are made of.
///
/// # Examples
///
/// ```
/// use horn::model::Tensors;
/// use horn::prelude::*;
///
/// let (a, b) = (Input::new([4]).tensor(), Input::new([4]).tensor());
/// assert_eq!([&a, &b].tensors().len(), 2);
/// ```
pub trait Tensors {
    /// The tensors.
    fn tensors(self) -> Vec<Tensor>;
}

impl Tensors for Tensor {
    fn tensors(self) -> Vec<Tensor> {
        vec![self]
    }
}

impl Tensors for &Tensor {
    fn tensors(self) -> Vec<Tensor> {
        vec![self.clone()]
    }
}

impl Tensors for Vec<Tensor> {
    fn tensors(self) -> Vec<Tensor> {
        self
    }
}

impl Tensors for &[Tensor] {
    fn tensors(self) -> Vec<Tensor> {
        self.to_vec()
    }
}

impl Tensors for &Vec<Tensor> {
    fn tensors(self) -> Vec<Tensor> {
        self.clone()
    }
}

impl<const N: usize> Tensors for [Tensor; N] {
    fn tensors(self) -> Vec<Tensor> {
        self.into()
    }
}

impl<const N: usize> Tensors for [&Tensor; N] {
    fn tensors(self) -> Vec<Tensor> {
        self.into_iter().cloned().collect()
    }
}

/// Writes an operator of tensors as a layer that merges them.
macro_rules! operator {
    ($Trait:ident, $method:ident, $Layer:ident) => {
        operator!($Trait, $method, $Layer, Tensor, Tensor);
        operator!($Trait, $method, $Layer, Tensor, &Tensor);
        operator!($Trait, $method, $Layer, &Tensor, Tensor);
        operator!($Trait, $method, $Layer, &Tensor, &Tensor);
    };
    ($Trait:ident, $method:ident, $Layer:ident, $Left:ty, $Right:ty) => {
        impl ops::$Trait<$Right> for $Left {
            type Output = Tensor;

            fn $method(self, other: $Right) -> Tensor {
                $Layer::new().apply([self.clone(), other.clone()])
            }
        }
    };
}

operator!(Add, add, Add);
operator!(Sub, sub, Subtract);
operator!(Mul, mul, Multiply);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Identity;

    #[test]
    fn a_long_chain_is_dropped() {
        let mut tensor = Input::new([1]).tensor();
        for _ in 0..200_000 {
            tensor = Identity::new().apply(tensor);
        }
        drop(tensor);
    }
}
