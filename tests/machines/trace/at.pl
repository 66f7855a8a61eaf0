#!/usr/bin/perl
# at NAME LABEL - appends one line to /srv/trace/out/NAME that says what this process is at this moment: LABEL, then key=value
# pairs, all separated by tabs; members of a list by spaces. '-' says that it cannot be known, as without /proc. Run by the hooks
# of the traced vassals; their app (app.pl) calls trace() in its own process.
use strict;
use warnings;
use Cwd ();
use Fcntl qw(O_APPEND O_WRONLY);
use POSIX ();

my $place = '/srv/trace';

sub text {
    my ($path) = @_;
    open(my $file, '<', $path) or return undef;
    local $/;
    my $text = <$file>;
    close $file;
    return $text;
}

# A path or a name with every byte that would confuse the reader as %XX.
sub quoted {
    my ($bytes) = @_;
    $bytes =~ s/([^\x21-\x24\x26-\x7e])/sprintf '%%%02x', ord $1/ge;
    return $bytes;
}

sub status {
    my $status = text('/proc/self/status');
    my %fields = defined $status ? map { /^(\w+):\s*(.*)$/ ? ($1, $2) : () } split /\n/, $status : ();
    my $field = sub { $fields{$_[0]} // '-' };
    return map { lc($_) . '=' . $field->($_) } qw(CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Cpus_allowed_list);
}

sub limits {
    my $limits = text('/proc/self/limits') // '';
    my %names = (
        'Max address space' => 'as', 'Max processes' => 'nproc', 'Max open files' => 'nofile',
        'Max core file size' => 'core', 'Max file size' => 'fsize', 'Max locked memory' => 'memlock',
    );
    return map { my $name = $_; $limits =~ /^\Q$name\E\s+(\S+)\s+(\S+)/m ? "$names{$name}=$1/$2" : "$names{$name}=-" }
        sort keys %names;
}

# Own, or the machine's: the test has left the machine's in a file.
sub namespaces {
    my %machine = map { split ' ' } split /\n/, text("$place/namespaces") // '';
    return map {
        my $link = readlink "/proc/self/ns/$_";
        "$_=" . (!defined $link ? '-' : $link eq ($machine{$_} // '') ? 'machine' : 'own');
    } qw(pid mnt uts ipc net);
}

sub mounts {
    my $mountinfo = text('/proc/self/mountinfo');
    return 'mounts=-' unless defined $mountinfo;
    my @mounts = map {
        my ($left, $right) = split / - /;
        my (undef, undef, undef, undef, $point, $options) = split ' ', $left;
        my ($type) = split ' ', $right;
        quoted("$point:$type:" . ($options =~ /\bro\b/ ? 'ro' : 'rw'));
    } split /\n/, $mountinfo;
    return 'mounts=' . join ' ', sort @mounts;
}

sub descriptors {
    opendir(my $directory, '/proc/self/fd') or return 'fds=-';
    my $own = fileno $directory;
    my @links = map { readlink("/proc/self/fd/$_") // () } grep { /^\d+$/ && $_ > 2 } readdir $directory;
    closedir $directory;
    # What perl has opened itself: this directory, and the program.
    return 'fds=' . join ' ', sort map { s/:\[\d+\]//r } grep { !m{^/proc/|^$place/} } @links;
}

# A device by its numbers: after a change of the root its name says little.
sub input_kind {
    my @stat = stat STDIN or return 'closed';
    return -c _ ? sprintf 'device %x', $stat[6] : 'other';
}

sub trace {
    my ($name, $label) = @_;
    my (undef, @groups) = split ' ', $);
    my %seen;
    my $mask = umask;
    my @fields = (
        "uid=$<", 'gid=' . ($( + 0), 'groups=' . join(' ', sort { $a <=> $b } grep { !$seen{$_}++ } @groups),
        'cwd=' . quoted(Cwd::getcwd() // '-'), sprintf('umask=%03o', $mask), 'nice=' . (getpriority 0, 0),
        'hostname=' . (POSIX::uname())[1], 'stdin=' . input_kind(),
        'proc=' . ((readlink('/proc/self') // '-') eq $$ ? 'own' : 'other'),
        'env=' . join(' ', map { quoted($_) } sort keys %ENV),
        'values=' . join(' ', map { quoted("$_=$ENV{$_}") } grep { /^T_/ } sort keys %ENV),
        status(), limits(), namespaces(), mounts(), descriptors(),
    );
    sysopen(my $out, "$place/out/$name", O_WRONLY | O_APPEND) or die "$place/out/$name: $!";
    syswrite $out, join("\t", $label, @fields) . "\n";
    close $out;
    return 1;
}

trace(@ARGV) unless caller;
1;
