//! Reading memory that may not be there.

/// From 3.14 on, bits of a frame's references that say how they are counted.
pub const TAGS: u64 = 3;

/// Memory of a process.
pub trait Memory {
    /// Eight bytes at an address that is a multiple of eight; none if nothing is mapped there.
    fn word(&mut self, address: u64) -> Option<u64>;

    /// An address that is stored at another one; null is none.
    fn pointer(&mut self, address: u64) -> Option<u64> {
        self.word(address).filter(|&p| p != 0)
    }

    /// An object that a frame refers to.
    fn reference(&mut self, address: u64) -> Option<u64> {
        self.word(address).map(|r| r & !TAGS).filter(|&p| p != 0)
    }

    fn u8(&mut self, address: u64) -> Option<u8> {
        Some((self.word(address & !7)? >> ((address & 7) * 8)) as u8)
    }

    /// At a multiple of two.
    fn u16(&mut self, address: u64) -> Option<u16> {
        Some((self.word(address & !7)? >> ((address & 6) * 8)) as u16)
    }

    /// At a multiple of four.
    fn u32(&mut self, address: u64) -> Option<u32> {
        Some((self.word(address & !7)? >> ((address & 4) * 8)) as u32)
    }

    /// Calls `f` with bytes from an address on, until it says that it is enough.
    fn bytes(&mut self, address: u64, mut f: impl FnMut(u8) -> bool) -> Option<()> {
        let mut at = address;
        loop {
            let word = self.word(at & !7)?;
            for i in at & 7..8 {
                if !f((word >> (i * 8)) as u8) {
                    return Some(());
                }
            }
            at = at.checked_add(8)? & !7;
        }
    }
}
