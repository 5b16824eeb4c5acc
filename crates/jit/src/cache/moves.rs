//! Functions whose text is elsewhere than it was: further down because a line was added above, in a
//! directory that was renamed. Their code is the same but for the places it names.

use std::sync::Arc;

use ferdelance_compiler::tir::PoolEntry;
use ferdelance_compiler::trace::Place;
use rustc_hash::FxHashMap;

use crate::compile::Object;

/// Where lines of files went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// By the old file: the first lines of functions, ascending, and where those are now.
    files: FxHashMap<Arc<str>, Vec<(u32, Place)>>,
}

impl Moves {
    /// From the old and the new places of functions. None if they do not tell where a line went.
    pub fn new(places: &[(Place, Place)]) -> Option<Moves> {
        let mut files: FxHashMap<Arc<str>, Vec<(u32, Place)>> = FxHashMap::default();
        if places.iter().all(|(old, new)| old == new) {
            return Some(Moves { files });
        }
        for (old, new) in places {
            files
                .entry(old.file.clone())
                .or_default()
                .push((old.line, new.clone()));
        }
        for (name, functions) in &mut files {
            functions.sort_by_key(|(line, _)| *line);
            functions.dedup();
            let together = functions.windows(2).all(|pair| {
                let [(a, to_a), (b, to_b)] = pair else {
                    return false;
                };
                let same_distance = b.wrapping_sub(*a) == to_b.line.wrapping_sub(to_a.line);
                to_a.file == to_b.file && same_distance
            });
            // Texts that share a name only, such as <string>, overlap.
            let distinct = functions.windows(2).all(|pair| pair[0].0 != pair[1].0);
            if !together && (name.starts_with('<') || !distinct) {
                return None;
            }
        }
        Some(Moves { files })
    }

    /// Whether nothing has moved.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Corrects the places that an object names.
    pub fn apply(&self, object: &mut Object) {
        if self.is_empty() {
            return;
        }
        for entry in &mut object.pool {
            if let PoolEntry::Location { file, line, .. } = entry
                && let Some(new) = self.find(file, *line)
            {
                (*file, *line) = (new.file, new.line);
            }
        }
        for row in &mut object.locations.rows {
            let function = self.find(&row.file, row.function_line);
            if let Some(new) = self.find(&row.file, row.line) {
                (row.file, row.line) = (new.file.as_ref().into(), new.line);
            }
            if let Some(new) = function {
                row.function_line = new.line;
            }
        }
    }

    /// Where a line is now: as far from the function's first line as it was.
    fn find(&self, file: &str, line: u32) -> Option<Place> {
        let functions = self.files.get(file)?;
        let after = functions.partition_point(|(first, _)| *first <= line);
        let (first, place) = functions.get(after.saturating_sub(1))?;
        let line = place.line.wrapping_add(line.wrapping_sub(*first));
        Some(Place {
            file: place.file.clone(),
            line,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(file: &str, line: u32) -> Place {
        Place {
            file: file.into(),
            line,
        }
    }

    #[test]
    fn lines_follow_their_function() {
        let moves = Moves::new(&[
            (place("a.py", 10), place("b.py", 12)),
            (place("a.py", 20), place("b.py", 17)),
            (place("lib.py", 5), place("lib.py", 5)),
        ]);
        let moves = moves.expect("they do not overlap");
        assert_eq!(moves.find("a.py", 10), Some(place("b.py", 12)));
        assert_eq!(moves.find("a.py", 13), Some(place("b.py", 15)));
        assert_eq!(moves.find("a.py", 25), Some(place("b.py", 22)));
        assert_eq!(moves.find("lib.py", 6), Some(place("lib.py", 6)));
        assert_eq!(moves.find("prelude/core.py", 6), None);
    }

    #[test]
    fn texts_of_one_name_move_together_or_not_at_all() {
        let both = |second| {
            Moves::new(&[
                (place("<string>", 2), place("<string>", 5)),
                (place("<string>", 3), place("<string>", second)),
            ])
        };
        assert!(both(6).is_some());
        assert!(both(3).is_none());
        let same = [
            (place("a.py", 2), place("a.py", 3)),
            (place("a.py", 2), place("b.py", 3)),
        ];
        assert!(Moves::new(&same).is_none());
    }

    #[test]
    fn nothing_has_moved() {
        let places = [(place("<string>", 2), place("<string>", 2))];
        assert!(Moves::new(&places).is_some_and(|moves| moves.is_empty()));
    }
}
