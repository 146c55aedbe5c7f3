//! A callback of one's own: it sees each epoch, and may stop the training or change what it does.

use horn::prelude::*;

/// Halves the learning rate when the loss has risen, and stops once it is small enough.
#[derive(Debug)]
struct Careful {
    enough: f32,
    last: f32,
}

impl Callback for Careful {
    fn on_epoch_end(&mut self, control: &mut Control, epoch: usize, logs: &Logs) -> Result<()> {
        let loss = logs["loss"];
        if loss > self.last {
            control.set_learning_rate(0.5 * control.learning_rate());
        }
        if loss < self.enough {
            control.print(&format!("enough after {} epochs", epoch + 1));
            control.stop();
        }
        self.last = loss;
        Ok(())
    }
}

fn main() -> Result<()> {
    let x = Array2::from_shape_fn((50, 2), |(i, j)| ((i * (j + 2)) as f32).sin());
    let y = x.map_axis(Axis(1), |row| row[0] - row[1]);
    let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(2));
    let sgd = SGD::new().learning_rate(0.3);
    model.compile(Compile::new(sgd, MeanSquaredError::new()))?;
    let (enough, last) = (1e-4, f32::INFINITY);
    let fit = Fit::new().epochs(500).verbose(0);
    let history = model.fit(&x, &y, fit.callback(Careful { enough, last }))?;
    println!("{history}");
    Ok(())
}
