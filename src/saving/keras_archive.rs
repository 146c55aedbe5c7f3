//! Keras 3's archives, `.keras`: a zip of `metadata.json`, `config.json` and `model.weights.h5`.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::hdf5::Reader;
use super::load::{self, Load, Opened, too_large};
use super::part::Part;
use super::weights_h5::{Matching, counted};
use super::whole::Whole;
use super::{compile_json, durable, model_json, weights_h5};
use crate::error::{Error, Result};
use crate::model::built::Built;
use crate::model::extras::{Check, Extras};
use crate::model::{History, Model};

/// The version of Keras whose files these are.
const KERAS: &str = "3.15.1";

const CONFIG: &str = "config.json";
/// Where the metadata hold what is not Keras's.
const OWN: &str = "horn";
const METADATA: &str = "metadata.json";
const WEIGHTS: &str = "model.weights.h5";

/// Writes a whole model.
///
/// # Errors
///
/// [`Error::Io`].
pub(crate) fn write(whole: &Whole, path: &Path) -> Result<()> {
    let (config, metadata) = texts(whole);
    let tree = weights_h5::tree(whole);
    durable::write(path, |file| {
        let mut zip = ZipWriter::new(file);
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, text) in [(METADATA, metadata), (CONFIG, config)] {
            zip.start_file(name, stored)?;
            zip.write_all(text.to_string().as_bytes())?;
        }
        // The slots of an optimizer are as many again, four times at most.
        let large = whole.parameters.len() > (u32::MAX / 64) as usize;
        zip.start_file(WEIGHTS, stored.large_file(large))?;
        tree.write(&mut zip)?;
        zip.finish()?;
        Ok(())
    })
}

/// `config.json` and `metadata.json`.
pub(super) fn texts(whole: &Whole) -> (Json, Json) {
    let mut config = model_json::written(whole.name, whole.network, whole.shapes, Some(whole.rows));
    let mut metadata = metadata(whole.seed, whole.extras, whole.history);
    let own = metadata.get_mut(OWN);
    if let (Some(Json::Object(own)), Some(check)) = (own, whole.check) {
        own.insert("check".into(), json!(check));
    }
    if let Some(trained) = &whole.training {
        let outputs = whole.network.output_names();
        let for_keras = compile_json::written(trained, &outputs, false);
        let all = compile_json::written(trained, &outputs, true);
        // What cannot be read again, such as a loss that is a closure, is not kept.
        let all = all.filter(|all| compile_json::read(all, &outputs).is_ok());
        let own = metadata.get_mut(OWN);
        if let (Some(Json::Object(own)), true) = (own, all != for_keras) {
            own.insert("compile_config".into(), json!(all));
        }
        if let (Some(config), Some(compile)) = (config.as_object_mut(), for_keras) {
            config.insert("compile_config".into(), compile);
        }
    }
    (config, metadata)
}

/// What belongs to a model beside layers and weights; Keras leaves it alone.
pub(super) fn metadata(seed: u64, extras: &Extras, history: Option<&History>) -> Json {
    let mut own = json!(extras);
    if let Json::Object(own) = &mut own {
        own.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        own.insert("seed".into(), seed.to_string().into());
        let history = history.map(|history| json!(history.columns()));
        own.extend(history.map(|history| ("history".to_string(), history)));
    }
    json!({
        "keras_version": KERAS,
        "date_saved": now(),
        OWN: own,
    })
}

/// The layers of a model, and what belongs to it.
///
/// # Errors
///
/// As [`read`], where the configuration is at fault.
pub(super) fn model(config: &Json, metadata: &Json) -> Result<Model> {
    let mut model = model_json::read(config)?;
    let Some(own) = metadata.get(OWN) else {
        return Ok(model);
    };
    let broken = |error: serde_json::Error| Error::Config {
        class_name: "Model".into(),
        message: format!("`{OWN}` of {METADATA}: {error}"),
    };
    model.extras = serde_json::from_value(own.clone()).map_err(broken)?;
    if let Some(history) = own.get("history") {
        let columns = serde_json::from_value(history.clone()).map_err(broken)?;
        model.extras.history = Some(History::of_columns(columns));
    }
    let seed = own.get("seed").and_then(Json::as_str);
    if let Some(seed) = seed.and_then(|seed| seed.parse().ok()) {
        model.seed = seed;
    }
    Ok(model)
}

/// Compiles a model as it was, where its state has room in so many bytes. Whether it was.
///
/// # Errors
///
/// As [`read`].
pub(super) fn compile(
    model: &mut Model,
    (config, metadata): (&Json, &Json),
    room: u64,
) -> Result<bool> {
    let own = metadata.get(OWN).and_then(|own| own.get("compile_config"));
    let compile = own.or_else(|| config.get("compile_config"));
    let outputs = model.network.output_names();
    let Some(compile) = compile.filter(|compile| !compile.is_null()) else {
        return Ok(false);
    };
    match compile_json::read(compile, &outputs)? {
        Some(compile) => {
            super::check_state(model, compile.optimizer.as_ref(), room)?;
            model.compile(compile).map(|()| true)
        }
        None => Ok(false),
    }
}

/// Whether the model gives what it gave when it was written.
fn check(model: &Model, metadata: &Json, path: &Path, room: u64) -> Result<()> {
    let kept = metadata.get(OWN).and_then(|own| own.get("check"));
    let Some(kept) = kept else {
        return Ok(());
    };
    let kept: Check =
        serde_json::from_value(kept.clone()).map_err(|error| Error::file(path, METADATA, error))?;
    let failed = |reason| {
        let reason = format!("{reason}; `Load::check(false)` leaves the check out");
        Error::file(path, METADATA, reason)
    };
    kept.run(model, room / 4).map_err(failed)
}

/// The time as Keras writes it: `2026-11-24@21:25:41`, in UTC.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let (days, rest) = ((seconds / 86_400) as i64, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}@{hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a number of days after the first of 1970, in the Gregorian calendar.
fn date(days: i64) -> (i64, i64, i64) {
    // Years are counted from the first of March, so that leap days come last.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// An archive that is being read.
struct Archive<'p> {
    zip: ZipArchive<BufReader<File>>,
    /// The same file, to be read at places.
    file: File,
    path: &'p Path,
    limit: u64,
}

impl<'p> Archive<'p> {
    fn new(opened: Opened, path: &'p Path) -> Result<Self> {
        let Opened {
            mut file,
            size,
            limit,
        } = opened;
        let io = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let listed = listed(&mut file, size).map_err(io)?;
        let same = file.try_clone().map_err(io)?;
        let zip = ZipArchive::new(BufReader::new(file));
        let zip = zip.map_err(|error| Error::file(path, "", error))?;
        if listed.is_some_and(|listed| listed != zip.len()) {
            return Err(Error::file(path, "", "an entry comes twice"));
        }
        let mut archive = Archive {
            zip,
            file: same,
            path,
            limit,
        };
        archive.check()?;
        Ok(archive)
    }

    /// Entries stay inside, come once, and do not lie over each other.
    fn check(&mut self) -> Result<()> {
        let mut seen = HashSet::new();
        for number in 0..self.zip.len() {
            let entry = self.zip.by_index_raw(number);
            let entry = entry.map_err(|error| Error::file(self.path, "", error))?;
            let name = entry
                .name()
                .map_err(|error| Error::file(self.path, "", error))?;
            let name = name.into_owned();
            let leaves = name.starts_with(['/', '\\'])
                || name.contains([':', '\\', '\0'])
                || name.split('/').any(|part| part == "..");
            if leaves {
                return Err(Error::file(
                    self.path,
                    name,
                    "would lie outside of the archive",
                ));
            }
            if entry.encrypted() {
                return Err(Error::file(self.path, name, "is encrypted"));
            }
            if !seen.insert(name.clone()) {
                return Err(Error::file(self.path, name, "comes twice"));
            }
        }
        let over = self.zip.has_overlapping_files();
        match over.map_err(|error| Error::file(self.path, "", error))? {
            true => Err(Error::file(self.path, "", "entries lie over each other")),
            false => Ok(()),
        }
    }

    /// The bytes of an entry, where there is one.
    fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut entry = match self.zip.by_name(name) {
            Ok(entry) => entry,
            Err(zip::result::ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(Error::file(self.path, name, error)),
        };
        if entry.size() > self.limit {
            return Err(too_large(self.path, name, self.limit));
        }
        let size = entry.size();
        // At once, within the limit: a vector that grows is there twice.
        let mut bytes = Vec::new();
        let room = bytes.try_reserve_exact(usize::try_from(size).unwrap_or(usize::MAX));
        room.map_err(|error| Error::file(self.path, name, error))?;
        let broken = |error: io::Error| Error::file(self.path, name, error);
        entry
            .by_ref()
            .take(size)
            .read_to_end(&mut bytes)
            .map_err(broken)?;
        // To the end, where the checksum is compared.
        let more = entry.read(&mut [0]).map_err(broken)?;
        match bytes.len() as u64 == size && more == 0 {
            true => Ok(Some(bytes)),
            false => Err(Error::file(
                self.path,
                name,
                "has another size than it says",
            )),
        }
    }

    fn json(&mut self, name: &str) -> Result<Option<Json>> {
        let Some(bytes) = self.bytes(name)? else {
            return Ok(None);
        };
        let json = load::json(&bytes, (self.path, name), self.limit / 3)?;
        // It stays while the rest is read.
        self.limit = self.limit.saturating_sub(load::json_bytes(&bytes));
        Ok(Some(json))
    }
}

/// How many entries the archive says that it has; nothing for one of the long form.
fn listed(file: &mut File, size: u64) -> io::Result<Option<usize>> {
    const LONGEST: u64 = 22 + u16::MAX as u64;
    let length = size.min(LONGEST);
    file.seek(SeekFrom::Start(size - length))?;
    let mut end = Vec::new();
    (&mut *file).take(length).read_to_end(&mut end)?;
    file.rewind()?;
    let place = end.windows(4).rposition(|four| four == b"PK\x05\x06");
    let count = place.and_then(|place| end.get(place + 10..place + 12));
    let count = count.and_then(|two| Some(u16::from_le_bytes(two.try_into().ok()?)));
    Ok(count.filter(|count| *count != u16::MAX).map(usize::from))
}

/// Reads a whole model.
///
/// # Errors
///
/// [`Error::File`], [`Error::Config`] and [`Error::Unknown`] for a file that is broken, refused, or
/// holds what is not here.
pub(crate) fn read(opened: Opened, path: &Path, load: &Load) -> Result<Model> {
    let mut archive = Archive::new(opened, path)?;
    let config = archive.json(CONFIG)?;
    let mut config = config.ok_or_else(|| Error::file(path, CONFIG, "is not there"))?;
    archive.give_vocabularies(&mut config, "assets")?;
    let metadata = archive.json(METADATA)?.unwrap_or(Json::Null);
    let mut model = model(&config, &metadata).map_err(|error| in_config(path, error))?;
    let reader = archive.weights()?;
    let room = archive.limit.saturating_sub(reader.size());
    let built = Built::blank(&model.network, super::most_weights(room));
    let mut built = built.map_err(|error| in_config(path, error))?;
    let place = (&*model.name, &model.network);
    let (variables, parameters) = (&built.variables, &mut built.parameters);
    weights_h5::read(&reader, place, variables, parameters, Matching::default())?;
    model.built = Some(built);
    if load.check {
        check(&model, &metadata, path, room)?;
    }
    if load.compile {
        let compiled = compile(&mut model, (&config, &metadata), room);
        let compiled = compiled.map_err(|error| in_config(path, error))?;
        if compiled {
            super::read_state(&mut model, &reader).map_err(|error| in_config(path, error))?;
        }
    }
    Ok(model)
}

/// An error of what the configuration says, with the file.
fn in_config(path: &Path, error: Error) -> Error {
    match error {
        Error::File { .. } | Error::Io { .. } => error,
        error => Error::file(path, CONFIG, error),
    }
}

impl Archive<'_> {
    /// Puts the vocabularies of lookups, which Keras keeps as texts in `assets`, into their
    /// configurations.
    fn give_vocabularies(&mut self, model: &mut Json, place: &str) -> Result<()> {
        let chain = model.get("class_name").and_then(Json::as_str) == Some("Sequential");
        let layers = model
            .get_mut("config")
            .and_then(|config| config.get_mut("layers"));
        let Some(Json::Array(layers)) = layers else {
            return Ok(());
        };
        let mut counts = HashMap::new();
        for layer in layers {
            let class = layer.get("class_name").and_then(Json::as_str).unwrap_or("");
            if chain && class == "InputLayer" {
                continue;
            }
            let class = class.to_string();
            let place = format!("{place}/layers/{}", counted(&mut counts, &class));
            match class.as_str() {
                "Sequential" | "Functional" => self.give_vocabularies(layer, &place)?,
                "IntegerLookup" | "StringLookup" => {
                    if let Some(words) = self.vocabulary(&place, class == "IntegerLookup")?
                        && let Some(Json::Object(config)) = layer.get_mut("config")
                        && config.get("vocabulary").is_none_or(Json::is_null)
                    {
                        config.insert("vocabulary".into(), words);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The lines of a vocabulary, where there is one.
    fn vocabulary(&mut self, place: &str, numbers: bool) -> Result<Option<Json>> {
        let name = format!("{place}/vocabulary.txt");
        let Some(bytes) = self.bytes(&name)? else {
            return Ok(None);
        };
        let broken = |error: &dyn std::fmt::Display| Error::file(self.path, &name, error);
        let text = String::from_utf8(bytes).map_err(|error| broken(&error))?;
        let lines = text.trim_end_matches('\n').split('\n');
        let words: Result<Json> = match numbers {
            false => Ok(lines.map(Json::from).collect()),
            true => lines
                .map(|line| line.trim().parse::<i64>().map(Json::from))
                .collect::<std::result::Result<_, _>>()
                .map_err(|error| broken(&error)),
        };
        words.map(Some)
    }

    /// The weights, which stay in the archive where they are not compressed.
    fn weights(&mut self) -> Result<Reader> {
        if let Some(part) = self.stored(WEIGHTS)? {
            return Reader::new(part, self.path);
        }
        match self.bytes(WEIGHTS)? {
            Some(bytes) => Reader::new(Part::memory(bytes), self.path),
            None => Err(Error::file(self.path, WEIGHTS, "is not there")),
        }
    }

    /// An entry that lies in the archive as it is, with its checksum compared; nothing for another one.
    fn stored(&mut self, name: &str) -> Result<Option<Part>> {
        let broken = |error: &dyn std::fmt::Display| Error::file(self.path, name, error);
        let Ok(entry) = self.zip.by_name(name) else {
            return Ok(None);
        };
        let plain = entry.compression() == CompressionMethod::Stored
            && entry.size() == entry.compressed_size();
        let (Some(start), true) = (entry.data_start(), plain) else {
            return Ok(None);
        };
        let (size, sum) = (entry.size(), entry.crc32());
        drop(entry);
        let part = Part::of(&self.file, start, size).map_err(|error| broken(&error))?;
        match part.checksum().map_err(|error| broken(&error))? == sum {
            true => Ok(Some(part)),
            false => Err(broken(&"has another checksum than it says")),
        }
    }
}

/// The weights of an archive.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn weights(opened: Opened, path: &Path) -> Result<Reader> {
    Archive::new(opened, path)?.weights()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        // By the calendar: leap days of 2000 and 2024, and the last of a century without one.
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(19_782), (2024, 2, 29));
        assert_eq!(date(19_783), (2024, 3, 1));
        assert_eq!(date(47_541), (2100, 3, 1));
    }
}
