//! emperor.ini as distributions and people write it.
