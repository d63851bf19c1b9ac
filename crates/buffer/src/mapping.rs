//! From tag to buffer: a hash table of chains through the descriptors, locked in partitions.
//!
//! A partition's lock protects the chains whose number falls into it and "tag valid" of the
//! buffers on them. A lookup holds it shared for a few loads and one compare-and-swap (the pin).

use std::sync::atomic::{AtomicU32, Ordering};

use shmem::{Layout, LwLock, RegionId, Segment};
use types::BufferTag;
use zerocopy::FromZeros;

use crate::descriptor::BufferDescriptor;

/// Partitions of the table.
pub(crate) const PARTITIONS: usize = 128;

#[derive(FromZeros)]
#[repr(C)]
pub(crate) struct Partition {
    pub lock: LwLock,
}

#[derive(Clone, Copy)]
pub(crate) struct MappingRegions {
    heads: RegionId<AtomicU32>,
    partitions: RegionId<Partition>,
}

impl MappingRegions {
    pub fn reserve(layout: &mut Layout, buffers: usize) -> Self {
        MappingRegions {
            heads: layout
                .region("Buffer Lookup Table", buffers.next_power_of_two().max(PARTITIONS)),
            partitions: layout.region("Buffer Mapping Locks", PARTITIONS),
        }
    }
}

pub(crate) struct Mapping {
    heads: &'static [AtomicU32],
    partitions: &'static [Partition],
    descriptors: &'static [BufferDescriptor],
}

/// Where a tag hashes to: its chain, which also tells its partition.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain(usize);

impl Mapping {
    pub fn new(
        segment: &Segment,
        regions: MappingRegions,
        descriptors: &'static [BufferDescriptor],
    ) -> Self {
        Mapping {
            heads: segment.slice(regions.heads),
            partitions: segment.slice(regions.partitions),
            descriptors,
        }
    }

    pub fn chain(&self, tag: BufferTag) -> Chain {
        // Fibonacci hashing: the high bits of a product with 2^64 / golden ratio.
        let place = u64::from(tag.block) | (tag.fork as u64) << 32;
        let mixed = tag.rel.0.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32) ^ place;
        let hash = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Chain(hash as usize & (self.heads.len() - 1))
    }

    pub fn lock(&self, chain: Chain) -> &'static LwLock {
        &self.partitions[chain.0 % PARTITIONS].lock
    }

    /// The buffer that holds the page. Under the partition's lock.
    pub fn find(&self, chain: Chain, tag: BufferTag) -> Option<usize> {
        let mut link = self.heads[chain.0].load(Ordering::Relaxed);
        while let Some(id) = link.checked_sub(1) {
            let descriptor = &self.descriptors[id as usize];
            if descriptor.tag() == tag {
                return Some(id as usize);
            }
            link = descriptor.next.load(Ordering::Relaxed);
        }
        None
    }

    /// Adds a buffer whose tag is set. Under the partition's exclusive lock.
    pub fn insert(&self, chain: Chain, id: usize) {
        let head = &self.heads[chain.0];
        self.descriptors[id].next.store(head.load(Ordering::Relaxed), Ordering::Relaxed);
        head.store(id as u32 + 1, Ordering::Relaxed);
    }

    /// Takes a buffer out. Under the partition's exclusive lock.
    pub fn remove(&self, chain: Chain, id: usize) {
        let mut link = &self.heads[chain.0];
        while let Some(at) = link.load(Ordering::Relaxed).checked_sub(1) {
            let descriptor = &self.descriptors[at as usize];
            if at as usize == id {
                link.store(descriptor.next.load(Ordering::Relaxed), Ordering::Relaxed);
                return;
            }
            link = &descriptor.next;
        }
    }
}
