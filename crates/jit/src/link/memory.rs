//! Memory for code.
//!
//! A *region* is one reservation of address space, half for code, half for the data that code refers
//! to, so that 32-bit offsets reach from any code to any data in it. Objects get whole pages of both
//! halves: written while read-write, then *sealed*, code to read-execute and data to read-only.
//!
//! Why private pages and `mprotect`, not a second writable view of a shared memory file: a shared
//! file stays shared over `fork`, and then a child (`multiprocessing`) and its parent would write
//! their code over each other's. The price, two system calls and less than two pages an object, is
//! small: a page is what one Python function object and its code take as well. Neighbouring objects
//! have equal protection, so the kernel keeps three mappings a half, not one an object.
//!
//! Pages go back to the region only by [`Chunk::free`], whose caller knows that no thread is in them.

use std::io;
use std::ops::Range;
use std::ptr;

use super::lock::ForkLock;
use crate::error::Error;

const PAGE: usize = 4096;
/// Address space of a region: two halves of 128 MiB.
const REGION: usize = 256 << 20;
/// The least that is tried where address space is limited (`ulimit -v`).
const LEAST_REGION: usize = 4 << 20;
/// Pages are made writable ahead of use in steps of this size.
const STEP: usize = 64 << 10;

/// One half of a region: pages of one kind.
struct Half {
    start: usize,
    /// Address of the first page that was never used.
    next: usize,
    end: usize,
    /// Pages from `next` up to here are read-write.
    writable: usize,
    /// Freed runs of pages, sealed as they were.
    free: Vec<Range<usize>>,
}

/// Pages for code and for data.
type Pages = (Range<usize>, Range<usize>);

struct Region {
    code: Half,
    data: Half,
}

static REGIONS: ForkLock<Vec<Region>> = ForkLock::new(Vec::new());

/// The memory of one object. Not freed when dropped: see [`Chunk::free`].
#[derive(Debug)]
pub(super) struct Chunk {
    code_pages: Range<usize>,
    data_pages: Range<usize>,
    code: Range<usize>,
    data: Range<usize>,
    sealed: bool,
}

impl Half {
    fn new(pages: Range<usize>) -> Half {
        Half {
            start: pages.start,
            next: pages.start,
            end: pages.end,
            writable: pages.start,
            free: Vec::new(),
        }
    }

    /// A run of `size` bytes of writable pages; None if there is no room.
    fn take(&mut self, size: usize) -> Result<Option<Range<usize>>, Error> {
        let fits = |run: &Range<usize>| run.len() >= size;
        let best = self
            .free
            .iter()
            .enumerate()
            .filter(|(_, run)| fits(run))
            .min_by_key(|(_, run)| run.len());
        if let Some(i) = best.map(|(i, _)| i) {
            let run = self.free[i].start..self.free[i].start + size;
            protect(&run, libc::PROT_READ | libc::PROT_WRITE)?;
            // SAFETY: pages of ours that nobody uses any more, writable since the line above.
            unsafe { ptr::write_bytes(ptr::with_exposed_provenance_mut::<u8>(run.start), 0, size) };
            self.free[i].start = run.end;
            if self.free[i].is_empty() {
                self.free.swap_remove(i);
            }
            return Ok(Some(run));
        }
        if self.end - self.next < size {
            return Ok(None);
        }
        let run = self.next..self.next + size;
        if run.end > self.writable {
            let end = run.end.next_multiple_of(STEP).min(self.end);
            protect(&(self.writable..end), libc::PROT_READ | libc::PROT_WRITE)?;
            self.writable = end;
        }
        self.next = run.end;
        Ok(Some(run))
    }

    fn give(&mut self, run: Range<usize>) {
        self.free.push(run);
    }
}

impl Region {
    /// Reserves address space that holds at least `need` bytes in each half.
    fn reserve(need: usize) -> Result<Region, Error> {
        let least = (2 * need).next_power_of_two().max(LEAST_REGION);
        let mut size = REGION.max(least);
        loop {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            // SAFETY: a fresh mapping at an address that the kernel chooses.
            let base = unsafe { libc::mmap(ptr::null_mut(), size, libc::PROT_NONE, flags, -1, 0) };
            if base != libc::MAP_FAILED {
                let base = base.expose_provenance();
                let middle = base + size / 2;
                return Ok(Region {
                    code: Half::new(base..middle),
                    data: Half::new(middle..base + size),
                });
            }
            if size <= least {
                return Err(system_error("reserve memory for code"));
            }
            size /= 2;
        }
    }

    /// Pages for code and data.
    fn take(&mut self, code: usize, data: usize) -> Result<Option<Pages>, Error> {
        let Some(code) = self.code.take(code)? else {
            return Ok(None);
        };
        match self.data.take(data) {
            Ok(Some(data)) => Ok(Some((code, data))),
            other => {
                self.code.give(code);
                other.map(|_| None)
            }
        }
    }
}

fn system_error(what: &str) -> Error {
    Error::link(format!("cannot {what}: {}", io::Error::last_os_error()))
}

fn protect(pages: &Range<usize>, protection: libc::c_int) -> Result<(), Error> {
    if pages.is_empty() {
        return Ok(());
    }
    let start = ptr::with_exposed_provenance_mut(pages.start);
    // SAFETY: whole pages of a region of ours; no reference to them exists while they change.
    match unsafe { libc::mprotect(start, pages.len(), protection) } {
        0 => Ok(()),
        _ => Err(system_error("protect memory for code")),
    }
}

impl Chunk {
    /// Zeroed, writable memory for `code` bytes of code and `data` bytes of data.
    pub fn new(code: usize, data: usize) -> Result<Chunk, Error> {
        let code_size = code.max(1).next_multiple_of(PAGE);
        let data_size = data.max(1).next_multiple_of(PAGE);
        let mut regions = REGIONS.lock();
        for region in regions.iter_mut() {
            if let Some((code_pages, data_pages)) = region.take(code_size, data_size)? {
                return Ok(Chunk::placed(code_pages, data_pages, code, data));
            }
        }
        let mut region = Region::reserve(code_size.max(data_size))?;
        let pages = region.take(code_size, data_size)?;
        regions.push(region);
        let (code_pages, data_pages) = pages.ok_or_else(|| Error::link("no room for code"))?;
        Ok(Chunk::placed(code_pages, data_pages, code, data))
    }

    fn placed(
        code_pages: Range<usize>,
        data_pages: Range<usize>,
        code: usize,
        data: usize,
    ) -> Chunk {
        // Functions that all start on a page compete for the same few sets of the instruction cache:
        // spread the starts over the room that is left in the last page.
        let room = (code_pages.len() - code) & !63;
        let colour = (code_pages.start / PAGE).wrapping_mul(5 * 64) % (room + 64);
        let start = code_pages.start + colour;
        Chunk {
            code: start..start + code,
            data: data_pages.start..data_pages.start + data,
            code_pages,
            data_pages,
            sealed: false,
        }
    }

    pub fn code(&self) -> Range<usize> {
        self.code.clone()
    }
    pub fn data(&self) -> Range<usize> {
        self.data.clone()
    }

    /// The bytes of code and data, to be written; none once sealed.
    pub fn bytes_mut(&mut self) -> Option<(&mut [u8], &mut [u8])> {
        if self.sealed {
            return None;
        }
        let slice = |range: &Range<usize>| {
            let start = ptr::with_exposed_provenance_mut(range.start);
            // SAFETY: pages that belong to this chunk alone, initialised to zero, writable until
            // sealed; the slices borrow the chunk and do not overlap.
            unsafe { std::slice::from_raw_parts_mut(start, range.len()) }
        };
        Some((slice(&self.code), slice(&self.data)))
    }

    /// Makes the code executable and nothing writable.
    pub fn seal(&mut self) -> Result<(), Error> {
        self.sealed = true;
        protect(&self.code_pages, libc::PROT_READ | libc::PROT_EXEC)?;
        protect(&self.data_pages, libc::PROT_READ)
    }

    /// Gives the memory back for other objects.
    ///
    /// # Safety
    /// No thread is in this code or will enter it, and nothing refers to its data.
    pub unsafe fn free(self) {
        let mut regions = REGIONS.lock();
        let holds = |r: &Region| (r.code.start..r.code.end).contains(&self.code_pages.start);
        let region = regions.iter_mut().find(|region| holds(region));
        if let Some(region) = region {
            region.code.give(self.code_pages);
            region.data.give(self.data_pages);
        }
    }
}
