//! What the payload and the helpers may not do: capabilities, system calls, devices, set-user-id files, limits.
