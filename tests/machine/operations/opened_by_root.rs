//! Files and sockets that uWSGI opens as root before it changes its user.
