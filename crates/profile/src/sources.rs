//! Which source files a recording keeps: as much as its size allows, what matters first.
//!
//! A program that imports NumPy was seen in seventy files, most of them once. Their texts would be several
//! times as large as all samples.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::model::*;
use crate::tree::{Keys, Totals, Tree};

/// What sources may add to a recording: bytes of text for each sample, which deflate to about a quarter of
/// that, and for how many samples at least.
const BYTES: u64 = 40;
const SAMPLES: u64 = 10_000;

/// Whether a file belongs to Python or to an installed package.
pub fn is_library(file: &str) -> bool {
    file.starts_with('<')
        || ["/site-packages/", "/dist-packages/", "/lib/python3."]
            .iter()
            .any(|part| file.contains(part))
}

/// Bytes of text that the sources of a recording may have.
pub fn room(recording: &Recording) -> u64 {
    BYTES * (recording.samples.len() as u64).max(SAMPLES)
}

/// The files that Python and compiled functions are in: the user's first, then those in which more CPU
/// time was spent, by themselves and by what they call.
pub fn by_weight(recording: &Recording) -> Vec<TextId> {
    let r = recording;
    let file_of = |frame: &Frame| {
        let function = &r.functions[frame.function.index()];
        let is_source = matches!(function.kind, Kind::Python | Kind::Compiled);
        is_source.then_some(function.file)
    };
    let keys = Keys::of_frames(r, None, file_of);
    let totals = Totals::by_key(&Tree::new(r, &keys, &r.samples), &keys).groups;
    let weights = keys.all.iter().zip(totals);
    let weights: HashMap<TextId, _> = weights
        .filter_map(|(file, sums)| Some(((*file)?, (sums.own, sums.total))))
        .collect();
    let mut files: Vec<TextId> = keys.all.iter().copied().flatten().collect();
    files.sort_by_key(|file| {
        let (own, total) = weights.get(file).copied().unwrap_or_default();
        let most = Reverse((total.cpu, own.cpu, total.wait, total.samples));
        (is_library(r.texts.get(*file)), most, *file)
    });
    files
}
