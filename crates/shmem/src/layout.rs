//! What the segment will contain, collected from the rooms before it is made.

use std::marker::PhantomData;

use zerocopy::FromZeros;

use crate::SharedPage;
use crate::segment::HEADER_SIZE;

/// Regions begin at a multiple of this, so that two never share a cache line (or the pair of lines
/// that some processors fetch together).
const REGION_ALIGN: usize = 128;

/// The largest alignment that a region's type may have.
pub(crate) const ALIGN_MAX: usize = 8192;

/// The regions asked for so far.
#[derive(Debug, Default)]
pub struct Layout {
    pub(crate) regions: Vec<Region>,
    end: usize,
}

/// One region, its offset counted from an address aligned to [`ALIGN_MAX`] behind the header.
#[derive(Debug, Clone)]
pub(crate) struct Region {
    pub(crate) name: &'static str,
    pub(crate) offset: usize,
    pub(crate) size: usize,
    pub(crate) count: usize,
    /// Whether [`crate::Segment::reset`] makes it zero again.
    pub(crate) zeroed: bool,
}

/// Which region, and what is in it: the ticket that [`Layout::region`] gives for the segment.
#[derive(Debug)]
pub struct RegionId<T> {
    pub(crate) index: usize,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for RegionId<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for RegionId<T> {}

impl Layout {
    /// No regions yet.
    pub fn new() -> Self {
        Layout::default()
    }

    /// Asks for `count` values of `T`, side by side, all of them zero bytes at first.
    ///
    /// `T` consists of atomics, so that processes may share it.
    pub fn region<T: FromZeros + Sync + 'static>(
        &mut self,
        name: &'static str,
        count: usize,
    ) -> RegionId<T> {
        const { assert!(!std::mem::needs_drop::<T>(), "nobody drops what is in the segment") };
        const { assert!(align_of::<T>() <= ALIGN_MAX) };
        let align = align_of::<T>().max(REGION_ALIGN);
        // A size beyond all bounds stays beyond all bounds, and is refused when it is to be made.
        let offset = self.end.checked_next_multiple_of(align).unwrap_or(usize::MAX);
        let size = size_of::<T>().saturating_mul(count);
        self.end = offset.saturating_add(size);
        self.regions.push(Region { name, offset, size, count, zeroed: true });
        RegionId { index: self.regions.len() - 1, of: PhantomData }
    }

    /// Asks for pages whose content means nothing until something in another region says that it
    /// does: a reset leaves them as they are, which spares writing gigabytes of zeros.
    pub fn pages(&mut self, name: &'static str, count: usize) -> RegionId<SharedPage> {
        let id = self.region(name, count);
        if let Some(region) = self.regions.last_mut() {
            region.zeroed = false;
        }
        id
    }

    /// Bytes that a segment of this layout takes.
    pub fn size(&self) -> usize {
        self.end.saturating_add(HEADER_SIZE + ALIGN_MAX)
    }
}
