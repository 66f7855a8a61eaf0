//! Files of which a tenant may have written the path or the content.

pub mod accounts;
pub mod paths;
pub mod safe_open;
