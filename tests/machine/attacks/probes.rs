//! Attacks on the health checks: probes that are stopped, killed or led elsewhere.
