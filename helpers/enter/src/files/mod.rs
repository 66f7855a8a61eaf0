//! Access to files whose path or content a tenant may control.

pub mod accounts;
pub mod paths;
pub mod safe_open;
