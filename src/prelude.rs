//! What `use horn::prelude::*` brings: all that a program needs for the five steps.

pub use ndarray::{Array1, Array2, ArrayD, Axis, array, s};

pub use crate::activations::{
    self, Elu, Exponential, Gelu, LeakyRelu, Linear, Relu, Selu, Sigmoid, Silu, Softmax, Softplus,
    Softsign, Tanh, activation_fn,
};
pub use crate::callbacks::{
    self, BackupAndRestore, Callback, Control, CsvLogger, EarlyStopping, KeepBest, LambdaCallback,
    LearningRateScheduler, Logs, ModelCheckpoint, ReduceLROnPlateau, StopHandle, TensorBoard,
    TerminateOnNaN, TimeBudget,
};
pub use crate::constraints;
pub use crate::data::{Csv, load_csv};
pub use crate::error::{Error, Result};
pub use crate::graph::{Scope, Value};
pub use crate::initializers::{
    self, Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Initializer, LecunNormal,
    LecunUniform, Ones, Orthogonal, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling,
    Zeros,
};
pub use crate::layers::{
    self, Activation, BatchNormalization, Dense, Dropout, ELU, Embedding, Flatten, GaussianNoise,
    Input, Layer, LayerNormalization, LeakyReLU, Normalization, PReLU, ReLU, Reshape,
};
pub use crate::losses::{
    self, BinaryCrossentropy, CategoricalCrossentropy, Huber, LogCosh, Loss, MeanAbsoluteError,
    MeanAbsolutePercentageError, MeanSquaredError, MeanSquaredLogarithmicError,
    SparseCategoricalCrossentropy, loss_fn,
};
pub use crate::metrics::{
    self, AUC, Accuracy, BinaryAccuracy, CategoricalAccuracy, F1Score, Metric, Precision, R2Score,
    Recall, RootMeanSquaredError, SparseCategoricalAccuracy, TopKCategoricalAccuracy,
};
pub use crate::model::{
    Apply, Compile, Evaluate, Fit, History, Model, Predictor, Scores, Sequential, Shared, Summary,
    Tensor, Weight,
};
pub use crate::optimizers::{
    self, Adam, AdamW, CosineDecay, ExponentialDecay, Optimizer, RMSprop, SGD,
};
pub use crate::regularizers::{self, L1, L1L2, L2};
