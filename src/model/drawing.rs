//! [`Model::to_dot`]: the graph of a model, to be drawn.

use std::fmt::Write;

use super::functional::Model;
use super::network::Source;
#[cfg(feature = "plot")]
use crate::error::{Error, Result};

impl Model {
    /// The graph of the layers in the language of Graphviz, whose `dot` draws it: a box for each layer
    /// with its name, class and output shape, an arrow for each value that one passes to another. A
    /// layer that is applied several times is one box.
    ///
    /// Source: <https://keras.io/api/utils/model_plotting_utils/>, `model_to_dot`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let x = Input::new([4]).name("pixels").tensor();
    /// let y = Dense::new(4).apply(&x) + &x;
    /// let mut model = Model::new(&x, Dense::new(1).name("out").apply(y));
    /// model.build()?;
    /// let dot = model.to_dot();
    /// assert!(dot.contains(r#"label="out (Dense)\n(None, 1)""#), "{dot}");
    /// assert_eq!(dot.matches("->").count(), 4);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn to_dot(&self) -> String {
        let mut dot = format!("digraph \"{}\" {{\n", escaped(&self.name));
        dot.push_str("    node [shape=box, fontname=\"sans-serif\"];\n");
        for (number, layer) in self.layers().iter().enumerate() {
            let shape = layer.output_shape().unwrap_or("?".into());
            let (name, class) = (escaped(layer.name()), escaped(layer.class_name()));
            // Writing to a `String` cannot fail.
            let _ = writeln!(dot, "    l{number} [label=\"{name} ({class})\\n{shape}\"];");
        }
        for call in &self.network.calls {
            for source in &call.inputs {
                if let Source::Call(before, _) = source
                    && let Some(before) = self.network.calls.get(*before)
                {
                    let _ = writeln!(dot, "    l{} -> l{};", before.node, call.node);
                }
            }
        }
        dot.push_str("}\n");
        dot
    }

    /// The graph of [`to_dot`](Self::to_dot), laid out and drawn as an SVG image. Needs the feature
    /// `plot`.
    ///
    /// # Errors
    ///
    /// [`Error::Graph`] for a graph that cannot be laid out.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(12).input_dim(8)).add(Dense::new(1));
    /// model.build()?;
    /// assert!(model.to_svg()?.contains("dense_1 (Dense)"));
    /// # Ok::<(), horn::Error>(())
    /// ```
    #[cfg(feature = "plot")]
    pub fn to_svg(&self) -> Result<String> {
        let dot = self.to_dot();
        let drawn = || -> std::result::Result<String, String> {
            let graph = layout::gv::DotParser::new(&dot).process()?;
            let mut builder = layout::gv::GraphBuilder::new();
            builder.visit_graph(&graph);
            let mut svg = layout::backends::svg::SVGWriter::new();
            builder.get().do_it(false, false, false, &mut svg);
            Ok(svg.finalize())
        };
        // The layout checks itself with assertions.
        let drawn = std::panic::catch_unwind(drawn);
        let drawn = drawn.unwrap_or_else(|_| Err("it is too tangled".into()));
        drawn.map_err(|message| Error::Graph {
            message: format!("the graph cannot be laid out: {message}"),
        })
    }
}

/// A text between quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\\' => escaped.extend(['\\', letter]),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use crate::layers::Concatenate;
    use crate::prelude::*;

    fn branched() -> Model {
        let (a, b) = (
            Input::new([3]).name("a").tensor(),
            Input::new([3]).name("b").tensor(),
        );
        let shared = Dense::new(2).name("say \"hi\" <&>").shared();
        let both = Concatenate::new().apply([shared.apply(&a), shared.apply(&b)]);
        let mut model = Model::new(
            [&a, &b],
            [Dense::new(1).apply(&both), Dense::new(5).apply(&a)],
        );
        model.build().unwrap();
        model
    }

    #[test]
    fn every_layer_and_value_is_there() {
        let model = branched();
        let dot = model.to_dot();
        assert_eq!(dot.matches("label=").count(), model.layers().len());
        // Two to the shared layer, two from it, one to each output.
        assert_eq!(dot.matches(" -> ").count(), 6);
        assert!(
            dot.contains(r#"label="say \"hi\" <&> (Dense)\n(None, 2)""#),
            "{dot}"
        );
        assert_eq!(dot, branched().to_dot());
        // A chain shows its layers before it is built.
        let chain = Sequential::new().add(Dense::new(1)).add(Dense::new(2));
        assert!(chain.to_dot().contains("l0 -> l1;"));
    }

    #[cfg(feature = "plot")]
    #[test]
    fn a_graph_is_drawn() {
        let svg = branched().to_svg().unwrap();
        assert!(
            svg.contains("<svg") && svg.trim_end().ends_with("</svg>"),
            "{svg}"
        );
        assert!(
            svg.matches("<rect").count() >= branched().layers().len(),
            "{svg}"
        );
        assert!(svg.contains("concatenate") && !svg.contains("<&>"), "{svg}");
        assert_eq!(svg, branched().to_svg().unwrap());
        // Deep and wide.
        let x = Input::new([4]).tensor();
        let mut y = x.clone();
        for _ in 0..20 {
            y = Dense::new(4).apply(&y) + &y;
        }
        let mut model = Model::new(&x, y);
        model.build().unwrap();
        assert!(model.to_svg().unwrap().matches("<rect").count() >= 41);
    }
}
