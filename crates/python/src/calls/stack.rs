//! How far the stack of this thread goes.

/// What is left free for functions of C that are called at the deepest place.
const RESERVE: usize = 512 << 10;

/// Where hooks that nest may be: addresses of a thread's stack. The default is nowhere.
#[derive(Clone, Copy, Default)]
pub struct Room {
    lowest: usize,
    highest: usize,
}

impl Room {
    pub const NOWHERE: Room = Room {
        lowest: 0,
        highest: 0,
    };

    /// Whether the stack is there now. If not, this may be the room of another thread, which had the same state
    /// before: then it becomes that of the thread that calls this.
    #[inline(always)]
    pub fn is_here(&mut self) -> bool {
        self.is_known_here() || self.renewed()
    }

    /// Whether the stack is there now, of the thread that this is the room of.
    #[inline(always)]
    pub fn is_known_here(&self) -> bool {
        (self.lowest..self.highest).contains(&here())
    }

    /// The same for the thread that calls this, whose room this becomes. It may take half a millisecond: the
    /// C library reads a list of the process's memory.
    #[cold]
    pub fn renewed(&mut self) -> bool {
        *self = Room::of_this_thread();
        self.is_known_here()
    }

    fn of_this_thread() -> Room {
        // SAFETY: the attributes are filled in before they are read, and destroyed.
        unsafe {
            let mut attributes = std::mem::zeroed::<libc::pthread_attr_t>();
            let everywhere = Room {
                lowest: 0,
                highest: usize::MAX,
            };
            if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
                return everywhere;
            }
            let (mut start, mut size) = (std::ptr::null_mut(), 0);
            let got =
                libc::pthread_attr_getstack(&raw const attributes, &raw mut start, &raw mut size);
            libc::pthread_attr_destroy(&raw mut attributes);
            if got != 0 {
                return everywhere;
            }
            Room {
                lowest: start.addr() + RESERVE.min(size / 4),
                highest: start.addr() + size,
            }
        }
    }
}

/// About where the stack is now.
#[inline(always)]
pub fn here() -> usize {
    let local = 0u8;
    std::hint::black_box(&raw const local).addr()
}
