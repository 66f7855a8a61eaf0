//! Many vassals at once, and a PID 1 or a journal that stands still.
