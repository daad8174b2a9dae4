//! Memory that begins at a cache line.

/// Numbers in a cache line.
const LINE: usize = 16;
/// Fewer numbers are not worth asking the system for their pages at once.
const MANY: usize = 32 * 1024;

/// Numbers that begin at a cache line, so that no vector of theirs lies across two lines.
#[derive(Default)]
pub(crate) struct Aligned {
    /// With room for the way to the next line.
    room: Vec<f32>,
    begin: usize,
    len: usize,
}

impl Aligned {
    /// So many zeros.
    pub(crate) fn zeros(len: usize) -> Aligned {
        // Zeros of plain numbers come from the system as they are: nothing is written here.
        let mut room = vec![0f32; if len == 0 { 0 } else { len + LINE }];
        if len >= MANY {
            populate(&mut room);
        }
        let begin = room.as_ptr().align_offset(LINE * size_of::<f32>());
        Aligned { begin: begin.min(room.len() - len), room, len }
    }

    /// Makes room for so many elements. What it held is lost where there was less; nobody may rely on zeros.
    pub(crate) fn grow(&mut self, len: usize) {
        if len > self.len {
            *self = Aligned::default();
            *self = Aligned::zeros(len);
        }
    }
}

impl Clone for Aligned {
    fn clone(&self) -> Aligned {
        let mut copy = Aligned::zeros(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl std::ops::Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.room[self.begin..self.begin + self.len]
    }
}

impl std::ops::DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.room[self.begin..self.begin + self.len]
    }
}

impl std::fmt::Debug for Aligned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Aligned({} elements)", self.len)
    }
}

/// Asks the system for all pages of some memory at once. Otherwise it gives each when it is touched first, which costs a
/// process that has just begun more than what it then computes.
#[cfg(all(target_os = "linux", not(miri)))]
fn populate(room: &mut [f32]) {
    /// Size of a page, or a divisor of it.
    const PAGE: usize = 4096;
    /// Gives pages for writing; known to Linux since 5.14.
    const MADV_POPULATE_WRITE: std::ffi::c_int = 23;
    unsafe extern "C" {
        fn madvise(address: *mut std::ffi::c_void, length: usize, advice: std::ffi::c_int)
        -> std::ffi::c_int;
    }
    let begin = room.as_mut_ptr().cast::<u8>();
    let skip = begin.align_offset(PAGE);
    let length = size_of_val(room).saturating_sub(skip) / PAGE * PAGE;
    // SAFETY: whole pages within memory that is borrowed exclusively; the advice changes no byte of it. What the system
    // answers does not matter: pages that it has not given now it gives when they are touched.
    unsafe { madvise(begin.wrapping_add(skip).cast(), length, MADV_POPULATE_WRITE) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn populate(_: &mut [f32]) {}
