//! All places of a recording that refer to a text.

use crate::model::*;

/// Calls `with` for each reference to a text, except for those of the sources.
fn references(r: &mut Recording, mut with: impl FnMut(&mut TextId)) {
    for p in &mut r.processes {
        [&mut p.command, &mut p.python, &mut p.reason]
            .into_iter()
            .for_each(&mut with);
    }
    r.threads.iter_mut().for_each(|t| with(&mut t.name));
    for f in &mut r.functions {
        [&mut f.name, &mut f.file, &mut f.module]
            .into_iter()
            .for_each(&mut with);
    }
    for (name, ty) in r.signatures.iter_mut().flat_map(|s| &mut s.arguments) {
        with(name);
        with(ty);
    }
    r.log.iter_mut().for_each(|l| with(&mut l.text));
}

/// Calls `with` for each reference to a text.
pub fn all_references(r: &mut Recording, mut with: impl FnMut(&mut TextId)) {
    references(r, &mut with);
    for s in &mut r.sources {
        with(&mut s.file);
        with(&mut s.text);
    }
}

/// Removes the sources, and the texts that nothing else refers to.
pub fn remove_sources(recording: &mut Recording) {
    recording.sources.clear();
    let all = std::mem::take(&mut recording.texts);
    let mut kept = Texts::default();
    references(recording, |id| *id = kept.add(all.get(*id)));
    recording.texts = kept;
}
