//! [`Equation`], the sums that [`EinsumDense`](super::EinsumDense) describes by letters.

use crate::graph::Value;

/// What an equation says: the letters of inputs, kernel and outputs, and where axes stand that stay
/// as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Equation {
    input: Vec<char>,
    kernel: Vec<char>,
    output: Vec<char>,
    elided: Elided,
}

/// Where `...` stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Elided {
    Nowhere,
    Before,
    Behind,
}

/// An equation for inputs of one shape, in which every axis has a letter and every letter a length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    input: Vec<char>,
    kernel_letters: Vec<char>,
    output: Vec<char>,
    lengths: Vec<(char, usize)>,
    /// The first letter of the outputs that is none of the equation's own, and how many of them.
    elided: (usize, usize),
    /// The shape of the kernel.
    pub(super) kernel: Vec<usize>,
}

const FORM: &str = "in the form \"ab,bc->ac\", \"...b,bc->...c\" or \"ab...,bc->ac...\", each letter \
                    once in each of the three";

impl Equation {
    pub(super) fn parse(text: &str) -> Result<Equation, String> {
        let wrong = || FORM.to_string();
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (inputs, output) = text.split_once("->").ok_or_else(wrong)?;
        let (input, kernel) = inputs.split_once(',').ok_or_else(wrong)?;
        let (input, output, elided) = match (input.strip_prefix("..."), output.strip_prefix("..."))
        {
            (Some(input), Some(output)) => (input, output, Elided::Before),
            (None, None) => match (input.strip_suffix("..."), output.strip_suffix("...")) {
                (Some(input), Some(output)) => (input, output, Elided::Behind),
                (None, None) => (input, output, Elided::Nowhere),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        let letters = |part: &str| -> Result<Vec<char>, String> {
            let letters: Vec<char> = part.chars().collect();
            let once = letters.iter().enumerate().all(|(i, c)| {
                c.is_ascii_alphabetic() && !letters.iter().take(i).any(|before| before == c)
            });
            match once && !letters.is_empty() {
                true => Ok(letters),
                false => Err(wrong()),
            }
        };
        let equation = Equation {
            input: letters(input)?,
            kernel: letters(kernel)?,
            output: letters(output)?,
            elided,
        };
        if let Some(letter) = equation
            .output
            .iter()
            .find(|c| !equation.input.contains(c) && !equation.kernel.contains(c))
        {
            return Err(format!(
                "with every letter of the outputs before `->`, unlike `{letter}`"
            ));
        }
        if let Some(letter) = equation
            .kernel
            .iter()
            .find(|c| !equation.input.contains(c) && !equation.output.contains(c))
        {
            return Err(format!(
                "with no letter of the kernel alone, unlike `{letter}`"
            ));
        }
        Ok(equation)
    }

    /// The batch comes first in inputs and outputs, and the kernel does not depend on it.
    fn check_batch(&self) -> Result<(), String> {
        let batch = self.input.first();
        match batch == self.output.first() && batch.is_some_and(|b| !self.kernel.contains(b)) {
            true => Ok(()),
            false => Err(
                "must have the same first letter, that of the batch, in inputs and \
                          outputs, and not in the kernel"
                    .into(),
            ),
        }
    }

    /// The equation for inputs of this shape and outputs of these lengths, without the batch.
    pub(super) fn resolve(
        &self,
        input: &[usize],
        output: &[Option<usize>],
    ) -> Result<Resolved, String> {
        let extra = input.len().checked_sub(self.input.len());
        let extra = extra.filter(|extra| *extra == 0 || self.elided != Elided::Nowhere);
        let Some(extra) = extra else {
            return Err(format!(
                "describes inputs of {} axes, got {} of shape {input:?}",
                self.input.len(),
                input.len()
            ));
        };
        // Letters that nobody writes, for the axes that stay as they are.
        let stay: Vec<char> = (0..extra as u32)
            .filter_map(|i| char::from_u32(0x2460 + i))
            .collect();
        let whole = |letters: &[char]| match self.elided {
            Elided::Before => [stay.as_slice(), letters].concat(),
            _ => [letters, stay.as_slice()].concat(),
        };
        let (all_input, all_output) = (whole(&self.input), whole(&self.output));
        let mut lengths: Vec<(char, usize)> = all_input
            .iter()
            .copied()
            .zip(input.iter().copied())
            .collect();
        // What is said of the outputs: the batch is known, and so are the axes that stay.
        let said = all_output.iter().skip(1).filter(|c| !stay.contains(c));
        // With `...` before, the batch is one of the axes that stay.
        let named: Vec<char> = match self.elided == Elided::Before && extra > 0 {
            true => self.output.clone(),
            false => {
                self.check_batch()?;
                said.copied().collect()
            }
        };
        if named.len() != output.len() {
            return Err(format!(
                "describes outputs of {} lengths beside the batch, got {output:?}",
                named.len()
            ));
        }
        for (letter, length) in named.iter().zip(output) {
            let known = lengths
                .iter()
                .find(|(known, _)| known == letter)
                .map(|(_, n)| *n);
            match (known, length) {
                (Some(known), Some(length)) if known != *length => {
                    return Err(format!(
                        "`{letter}` is {known} long in the inputs and {length} in `output_shape`"
                    ));
                }
                (None, Some(0)) => return Err(format!("`{letter}` must be at least 1 long")),
                (None, Some(length)) => lengths.push((*letter, *length)),
                (None, None) => {
                    return Err(format!("`output_shape` must say how long `{letter}` is"));
                }
                _ => {}
            }
        }
        let length = |letter: &char| {
            let known = lengths.iter().find(|(known, _)| known == letter);
            known
                .map(|(_, length)| *length)
                .ok_or(format!("`{letter}` has no length"))
        };
        let kernel = self
            .kernel
            .iter()
            .map(length)
            .collect::<Result<Vec<_>, _>>()?;
        all_output
            .iter()
            .map(length)
            .collect::<Result<Vec<_>, _>>()?;
        let place = match self.elided {
            Elided::Before => 0,
            _ => self.output.len(),
        };
        Ok(Resolved {
            input: all_input,
            kernel_letters: self.kernel.clone(),
            output: all_output,
            lengths,
            elided: (place, extra),
            kernel,
        })
    }
}

impl Resolved {
    fn length(&self, letter: char) -> usize {
        let known = self.lengths.iter().find(|(known, _)| *known == letter);
        known.map_or(1, |(_, length)| *length)
    }

    fn size(&self, letters: &[char]) -> usize {
        letters.iter().map(|letter| self.length(*letter)).product()
    }

    /// The sums, as one product of matrices, or of as many as the axes that inputs, kernel and
    /// outputs have in common make.
    pub(super) fn apply(&self, x: &Value, kernel: &Value) -> Value {
        // Letters of the inputs alone are summed first.
        let in_all = |c: &char| self.kernel_letters.contains(c) || self.output.contains(c);
        let gone = (0..self.input.len()).filter(|i| !self.input.get(*i).is_some_and(in_all));
        let gone: Vec<isize> = gone.map(|i| i as isize).collect();
        let x = &match gone.is_empty() {
            true => x.clone(),
            false => x.sum(gone),
        };
        let input: Vec<char> = self.input.iter().copied().filter(|c| in_all(c)).collect();
        let kind = |in_input: bool, in_kernel: bool, in_output: bool| -> Vec<char> {
            let all = input
                .iter()
                .chain(self.kernel_letters.iter().filter(|c| !input.contains(c)));
            all.copied()
                .filter(|c| {
                    input.contains(c) == in_input
                        && self.kernel_letters.contains(c) == in_kernel
                        && self.output.contains(c) == in_output
                })
                .collect()
        };
        let both = kind(true, true, true);
        let summed = kind(true, true, false);
        let (rows, columns) = (kind(true, false, true), kind(false, true, true));

        let a = ordered(x, &input, &[&both[..], &rows, &summed].concat());
        let letters = [&both[..], &summed, &columns].concat();
        let b = ordered(kernel, &self.kernel_letters, &letters);
        let sizes = [&both, &rows, &summed, &columns].map(|letters| self.size(letters));
        let [count, height, inner, width] = sizes;
        let product = if both.is_empty() {
            // Rows keep their axes, so that an equation like that of `Dense` copies nothing.
            let mut shape = self.shape(&rows);
            shape.push(inner);
            a.reshape(shape).matmul(&b.reshape([inner, width]))
        } else {
            let a = a.reshape([count, height, inner]);
            a.matmul(&b.reshape([count, inner, width]))
        };
        let order = [both, rows, columns].concat();
        ordered(&product.reshape(self.shape(&order)), &order, &self.output)
    }

    fn shape(&self, letters: &[char]) -> Vec<usize> {
        letters.iter().map(|letter| self.length(*letter)).collect()
    }

    /// How many numbers a unit sums, and how many units there are for each of them: the `fan_in`
    /// and `fan_out` of initializers.
    pub(super) fn fans(&self) -> [usize; 2] {
        [false, true].map(|kept| {
            let letters = self.kernel_letters.iter().copied();
            let letters: Vec<char> = letters
                .filter(|c| self.output.contains(c) == kept)
                .collect();
            self.size(&letters)
        })
    }

    /// The shape of a bias with these letters of the outputs, and the one in which it is added.
    pub(super) fn bias(&self, axes: &str) -> Result<(Vec<usize>, Vec<usize>), String> {
        let known = self.output.get(1..).unwrap_or(&[]);
        if let Some(letter) = axes.chars().find(|c| !known.contains(c)) {
            return Err(format!(
                "`{letter}` is none of the outputs beside the batch"
            ));
        }
        if axes.is_empty() {
            return Err("names no axis".into());
        }
        let (place, extra) = self.elided;
        let stays = |i: usize| (place..place + extra).contains(&i);
        let outputs = self.output.iter().enumerate();
        let beside: Vec<usize> = outputs
            .map(|(i, c)| {
                if axes.contains(*c) && !stays(i) {
                    self.length(*c)
                } else {
                    1
                }
            })
            .collect();
        // From its first axis on, those that it has not are 1 long.
        let first = self
            .output
            .iter()
            .position(|c| axes.contains(*c))
            .unwrap_or(beside.len());
        Ok((beside.get(first..).unwrap_or(&[]).to_vec(), beside))
    }
}

/// A value with axes of these letters in another order; no op where they are in it.
fn ordered(value: &Value, from: &[char], to: &[char]) -> Value {
    let place = |letter: &char| from.iter().position(|known| known == letter);
    let places: Vec<usize> = to.iter().filter_map(place).collect();
    match places.is_sorted() {
        true => value.clone(),
        false => value.transpose(places),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Probe;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_equation_is_refused() {
        for text in [
            "",
            "ab,bc",
            "ab->ac",
            "aab,bc->ac",
            "ab,bc->ad",
            "ab,bcd->ac",
            "...ab,bc->ac",
        ] {
            assert!(Equation::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_batch_stays_where_it_is() {
        for (text, shape, output) in [
            ("ab,bc->ca", &[2, 3][..], vec![Some(2)]),
            ("ab,ac->ac", &[2, 3], vec![Some(3)]),
            ("...ab,bc->...ca", &[2, 3], vec![Some(2)]),
            ("ab...,bc->ca...", &[2, 3, 4], vec![Some(2)]),
        ] {
            let equation = Equation::parse(text).expect("an equation");
            let message = equation.resolve(shape, &output).expect_err(text);
            assert!(message.contains("first letter"), "{text}: {message}");
        }
    }

    #[test]
    fn biases_name_axes_of_the_outputs() {
        let equation = Equation::parse("abc,cd->abd").expect("an equation");
        let resolved = equation
            .resolve(&[2, 3, 4], &[None, Some(5)])
            .expect("fits");
        assert_eq!(resolved.bias("d"), Ok((vec![5], vec![1, 1, 5])));
        assert_eq!(resolved.bias("b"), Ok((vec![3, 1], vec![1, 3, 1])));
        assert_eq!(resolved.bias("bd"), Ok((vec![3, 5], vec![1, 3, 5])));
        for axes in ["", "a", "c", "dx"] {
            assert!(resolved.bias(axes).is_err(), "{axes}");
        }
    }

    /// The sum by its definition, one place after the other.
    fn plain(equation: &Resolved, x: &[f32], kernel: &[f32]) -> Vec<f32> {
        let mut letters: Vec<char> = equation.output.clone();
        let all = equation.input.iter().chain(&equation.kernel_letters);
        for letter in all {
            if !letters.contains(letter) {
                letters.push(*letter);
            }
        }
        let lengths: Vec<usize> = letters.iter().map(|c| equation.length(*c)).collect();
        let mut out = vec![0.0; equation.size(&equation.output)];
        for place in 0..lengths.iter().product() {
            let mut rest = place;
            let mut at = vec![0; letters.len()];
            for axis in (0..letters.len()).rev() {
                at[axis] = rest % lengths[axis];
                rest /= lengths[axis];
            }
            let flat = |of: &[char]| {
                of.iter().fold(0, |flat, c| {
                    let axis = letters.iter().position(|l| l == c).unwrap();
                    flat * lengths[axis] + at[axis]
                })
            };
            out[flat(&equation.output)] +=
                x[flat(&equation.input)] * kernel[flat(&equation.kernel_letters)];
        }
        out
    }

    proptest! {
        #[test]
        fn every_equation_is_its_definition(pick in 0_usize..20, dims in prop::collection::vec(1_usize..4, 6)) {
            let (text, rank, output) = [
                ("ab,bc->ac", 2, 1), ("abc,cd->abd", 3, 2), ("abc,bcd->ad", 3, 1),
                ("abc,bde->aced", 3, 3), ("abc,bd->abd", 3, 2), ("...x,xy->...y", 3, 1),
                ("...x,xy->...y", 2, 1), ("ab...,bc->ac...", 4, 1), ("abc,cb->ab", 3, 1),
                ("abcd,cde->abe", 4, 2), ("abcd,bec->aedb", 4, 3), ("abc,dc->adb", 3, 2),
                ("abc,cde->abde", 3, 3), ("abcd,cde->abe", 4, 2), ("abc,bc->abc", 3, 2),
                ("abc,bc->ac", 3, 1), ("abc,d->abcd", 3, 3), ("...ab,b->...a", 4, 1),
                ("ab...,bcd->adc...", 3, 2), ("...abc,cdb->...adb", 4, 3),
            ][pick];
            let shape = &dims[..rank];
            let equation = Equation::parse(text).unwrap();
            // Lengths that the inputs do not give are 2.
            let names = text.split("->").nth(1).unwrap().replace("...", "");
            let named: Vec<char> = names.chars().collect();
            let skip = named.len() - output;
            let input = text.split(',').next().unwrap();
            let open: Vec<Option<usize>> = named[skip..]
                .iter()
                .map(|c| (!input.contains(*c)).then_some(2))
                .collect();
            let resolved = equation.resolve(shape, &open).unwrap();
            let kernel_shape = resolved.kernel.clone();
            let mut probe = Probe::new(&[shape, &kernel_shape], true, |_, v| {
                resolved.apply(&v[0], &v[1])
            })
            .unwrap();
            let numbers = |n: usize, seed: f32| -> Vec<f32> {
                (0..n).map(|i| (i as f32 * 0.7 + seed).sin()).collect()
            };
            let x = numbers(shape.iter().product(), 1.0);
            let kernel = numbers(kernel_shape.iter().product(), 2.0);
            probe.set_inputs(&[x.clone(), kernel.clone()]);
            let want = plain(&resolved, &x, &kernel);
            for (got, want) in probe.forward().iter().zip(&want) {
                prop_assert!((got - want).abs() < 1e-4, "{text}: {got} {want}");
            }
            prop_assert!(probe.check_gradients(1).unwrap() < 1e-2, "{text}");
        }
    }
}
