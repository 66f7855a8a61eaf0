//! Stops: children of the master, harakiri, hooks that fail, daemons that take their time.
