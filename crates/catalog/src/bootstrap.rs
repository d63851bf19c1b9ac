//! Making the system tables of a new database.
//!
//! The rows are made by [`Xid::BOOTSTRAP`], which has committed before everything. They go through
//! the log and the buffers like any others; the checkpoint with which `init` ends makes them
//! durable. If the process dies before that, there is no control file, and `init` begins anew.

use access::{Access, Heap};
use types::{Datum, Fork, Oid, Xid};

use crate::error::Error;
use crate::kinds::TYPES;
use crate::rows::rows_of;
use crate::system::{PG_CATALOG, PG_NAMESPACE, PG_TYPE, PUBLIC, SYSTEM_TABLES, SystemTable};

/// Makes the files of the system tables and fills them. The log can be written, and nobody else
/// uses the database.
pub fn bootstrap(access: &Access) -> Result<(), Error> {
    for table in SYSTEM_TABLES {
        let made = access.pool().files().create(table.relfile, Fork::Main);
        made.map_err(|error| access::Error::from(buffer::Error::from(error)))?;
    }
    for (Oid(oid), name) in [PG_CATALOG, PUBLIC] {
        insert(access, &PG_NAMESPACE, &[Datum::Oid(oid), Datum::Text(name.to_owned())])?;
    }
    for ty in &TYPES {
        let name = Datum::Text(ty.name.to_owned());
        insert(access, &PG_TYPE, &[Datum::Oid(ty.oid.0), name, Datum::Int2(ty.length)])?;
    }
    for table in SYSTEM_TABLES {
        for (into, row) in rows_of(&table.definition(), Xid::BOOTSTRAP) {
            insert(access, into, &row)?;
        }
    }
    Ok(())
}

fn insert(access: &Access, into: &SystemTable, row: &[Datum]) -> Result<(), Error> {
    Heap::new(access, into.relfile, &into.types()).insert_bootstrap(row)?;
    Ok(())
}
