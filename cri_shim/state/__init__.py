"""Where records are kept: LevelDB on a node, memory in tests, behind one small interface.

Memory is the truth while the daemon runs (objects.py, store/catalog.py); this room only makes sure
that a new process finds the same records. A write survives the death of the process at once, and
the loss of power after `sync`.

- `store`: the interface; `leveldb` and `memory` implement it
- `database`: opens LevelDB, verifies it, and tells damage from a full disk
- `salvage`: reads what is left of a damaged database and makes a new one of it
- `reserve`: room on the disk for the time when it is full
- `saver`: what is true although the disk is full is written when it can be
- `records`: versions, and what to do with a record that cannot be read
- `rows`: lists leave out a record that cannot be shown
"""
