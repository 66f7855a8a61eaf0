# Ends PID 1's connections to the system bus, as a bus does that has dropped it.
use strict;
use warnings;
use Socket;

use constant {
    PIDFD_OPEN  => 434,
    PIDFD_GETFD => 438,
    BUS         => "/run/dbus/system_bus_socket",
};

my $process = syscall(PIDFD_OPEN, 1, 0);
die "pidfd_open: $!\n" if $process < 0;
my $ended = 0;
for my $link (glob "/proc/1/fd/*") {
    next unless (readlink($link) // "") =~ /^socket:/;
    my ($number) = $link =~ /(\d+)$/;
    my $copy = syscall(PIDFD_GETFD, $process, $number + 0, 0);
    # Closed meanwhile.
    next if $copy < 0;
    open(my $socket, "+<&=", $copy) or die "fdopen: $!\n";
    my $peer = getpeername($socket) or next;
    next unless (eval { unpack_sockaddr_un($peer) } // "") eq BUS;
    shutdown($socket, 2) or die "shutdown: $!\n";
    $ended++;
}
die "PID 1 has no connection to the bus\n" unless $ended;
