"""The store of records: LevelDB on a node, memory in tests, behind one small interface.

While the daemon runs, memory is the truth (objects.py, store/catalog.py). This package makes sure
that a new process finds the same records. A write survives the death of the process at once, and a
power failure after `sync`.

- `store`: the interface; `leveldb` and `memory` implement it
- `database`: opens LevelDB, verifies it, and distinguishes damage from a full disk
- `salvage`: reads the rest of a damaged database and makes a new database of it
- `reserve`: disk space for the time when the disk is full
- `saver`: writes observed facts later if the disk is full
- `records`: versions of records, and the handling of unreadable records
- `unopened`: the records of a state that another process may have open
- `rows`: leaves a record that cannot be shown out of lists
"""
