//! What line_profiler opens: a pickled `LineStats`.
//!
//! ```python
//! stats.timings = {(file, first line, function): [(line, hits, time in units)]}
//! stats.unit = seconds of a unit
//! ```

use std::io::{self, Write};

use crate::labels;
use crate::model::{LineHits, Recording};

pub fn write(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    let r = recording;
    if r.lines.is_empty() {
        return Err(io::Error::other(
            "the recording has no lines that were counted: fdl lines makes such recordings",
        ));
    }
    let mut pickle = Pickle { out };
    pickle.out.write_all(b"\x80\x02")?;
    pickle
        .out
        .write_all(b"cline_profiler.line_profiler\nLineStats\n)\x81}(")?;
    pickle.text("timings")?;
    pickle.out.write_all(b"}(")?;
    for lines in r.lines.chunk_by(|a, b| a.function == b.function) {
        let function = &r.functions[lines[0].function.index()];
        pickle.text(r.texts.get(function.file))?;
        pickle.int(u64::from(function.line))?;
        pickle.text(labels::name(r, function))?;
        pickle.out.write_all(b"\x87](")?;
        for &LineHits {
            line, hits, time, ..
        } in lines
        {
            pickle.int(u64::from(line))?;
            pickle.int(hits)?;
            pickle.int(time)?;
            pickle.out.write_all(b"\x87")?;
        }
        pickle.out.write_all(b"e")?;
    }
    pickle.out.write_all(b"u")?;
    pickle.text("unit")?;
    pickle.out.write_all(b"G")?;
    pickle.out.write_all(&1e-9_f64.to_be_bytes())?;
    pickle.out.write_all(b"ub.")
}

/// Writes what Python's `pickle` reads, protocol 2.
struct Pickle<W> {
    out: W,
}

impl<W: Write> Pickle<W> {
    fn text(&mut self, text: &str) -> io::Result<()> {
        let length = text.floor_char_boundary(i32::MAX as usize);
        self.out.write_all(b"X")?;
        self.out.write_all(&(length as u32).to_le_bytes())?;
        self.out.write_all(&text.as_bytes()[..length])
    }

    fn int(&mut self, number: u64) -> io::Result<()> {
        match i32::try_from(number) {
            Ok(number) => {
                self.out.write_all(b"J")?;
                self.out.write_all(&number.to_le_bytes())
            }
            // Nine bytes, as the highest bit is the sign.
            Err(_) => {
                self.out.write_all(b"\x8a\x09")?;
                self.out.write_all(&number.to_le_bytes())?;
                self.out.write_all(&[0])
            }
        }
    }
}
