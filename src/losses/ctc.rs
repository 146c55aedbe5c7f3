//! [`CTC`].

use super::{Targets, plain_loss};

plain_loss! {
    /// Connectionist temporal classification: the cost of a sequence of labels that is shorter than
    /// the sequence of predictions, without saying where each label stands.
    ///
    /// `-ln` of the sum of the probabilities of all ways to spread the labels over the steps, with
    /// blanks (class 0) between them. Labels `(batch, longest)`, ended by zeros, and logits
    /// `(batch, steps, classes)` cost `(batch,)`.
    ///
    /// Labels that no way fits, more of them than steps, cost some 1e5, as in Keras. A logit of minus
    /// infinity rules out its class alone, where Keras on JAX makes the cost NaN.
    ///
    /// Source: Graves et al. 2006, <https://www.cs.toronto.edu/~graves/icml_2006.pdf>; Keras's `CTC`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::losses::CTC;
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Input::new([9, 4])).add(Dense::new(5));
    /// model.compile(Compile::new(Adam::new(), CTC::new()))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    CTC, "ctc",
    targets: Targets::Sequences,
    |y_true, y_pred| y_pred.ctc(y_true)
}
