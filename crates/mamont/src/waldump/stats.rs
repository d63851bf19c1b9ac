//! Counts of records by kind.

use std::collections::BTreeMap;

use wal::DecodedRecord;

use crate::records;
use crate::table::TextTable;

/// Records and bytes of each kind.
#[derive(Default)]
pub struct Stats {
    kinds: BTreeMap<(u8, u8), Counts>,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    records: u64,
    record_bytes: u64,
    images: u64,
    image_bytes: u64,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.records += other.records;
        self.record_bytes += other.record_bytes;
        self.images += other.images;
        self.image_bytes += other.image_bytes;
    }
}

impl Stats {
    /// One more record.
    pub fn add(&mut self, record: &DecodedRecord) {
        let image_bytes = records::image_bytes(record) as u64;
        let counts = Counts {
            records: 1,
            record_bytes: record.length() as u64 - image_bytes,
            images: record.blocks().iter().filter(|block| block.has_image()).count() as u64,
            image_bytes,
        };
        self.kinds.entry((record.rmgr_number(), record.kind())).or_default().add(&counts);
    }

    /// A table with a line for each kind and one for all.
    pub fn render(&self) -> String {
        let columns = [
            ("Type", false),
            ("Records", true),
            ("(%)", true),
            ("Record bytes", true),
            ("(%)", true),
            ("Images", true),
            ("Image bytes", true),
            ("(%)", true),
        ];
        let mut table = TextTable::plain(columns);
        let mut total = Counts::default();
        self.kinds.values().for_each(|counts| total.add(counts));
        for ((rmgr, kind), counts) in &self.kinds {
            let name =
                format!("{}/{}", records::rmgr_name(*rmgr), records::kind_name(*rmgr, *kind));
            table.row(row(name, counts, &total));
        }
        table.row(row("Total".to_owned(), &total, &total));
        table.render()
    }
}

fn row(name: String, counts: &Counts, total: &Counts) -> [String; 8] {
    let share = |part: u64, whole: u64| format!("{:.2}", 100.0 * part as f64 / whole.max(1) as f64);
    [
        name,
        counts.records.to_string(),
        share(counts.records, total.records),
        counts.record_bytes.to_string(),
        share(counts.record_bytes, total.record_bytes),
        counts.images.to_string(),
        counts.image_bytes.to_string(),
        share(counts.image_bytes, total.image_bytes),
    ]
}
