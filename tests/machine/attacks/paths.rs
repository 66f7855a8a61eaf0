//! Attacks on paths that root walks: links, devices, FIFOs and shells in a tenant's root directory.
