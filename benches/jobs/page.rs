//! Puts the tables of a run into the page of the documentation.

use crate::{Result, entrants};

const BEGIN: &str = "<!-- What follows is written by `cargo bench --bench jobs -- --page`. -->";
const END: &str = "<!-- The end of what is written. -->";

/// Replaces what is between the two marks of `src/_performance.md`.
pub fn write(markdown: &str) -> Result<()> {
    let path = entrants::repository().join("src/_performance.md");
    let page = std::fs::read_to_string(&path)?;
    let before = page.split_once(BEGIN).map(|(before, _)| before);
    let after = page.split_once(END).map(|(_, after)| after);
    let (before, after) = before
        .zip(after)
        .ok_or("src/_performance.md has lost its two marks")?;
    let page = format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", markdown.trim());
    std::fs::write(&path, page)?;
    println!("written to {}", path.display());
    Ok(())
}
