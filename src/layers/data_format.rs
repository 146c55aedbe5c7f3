//! [`DataFormat`], where the channels of images stand.

use serde::{Deserialize, Serialize};

/// Where the channels of images stand among the axes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    /// Behind: `(batch, height, width, channels)`. The default.
    #[default]
    ChannelsLast,
    /// Before: `(batch, channels, height, width)`.
    ChannelsFirst,
}

impl DataFormat {
    /// The first axis that is neither batch nor channels.
    pub(super) fn first(self) -> usize {
        match self {
            DataFormat::ChannelsLast => 1,
            DataFormat::ChannelsFirst => 2,
        }
    }
}

/// What Keras means by a format that is left out.
pub(super) fn or_default<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<DataFormat, D::Error> {
    Ok(Option::<DataFormat>::deserialize(deserializer)?.unwrap_or_default())
}
