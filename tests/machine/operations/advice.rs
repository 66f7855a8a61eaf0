//! What vassalctl and STATUS say about a file that does not work.
