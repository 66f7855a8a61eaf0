# Changes vassals' files at random, ends the emperor, the bus and systemd's connection to it at random, and then demands that what runs is
# what the files say. It begins with what the round before has left. Usage: soak.pl SEED
use strict;
use warnings;
use Time::HiRes qw(sleep time);

my ($seed) = @ARGV;
srand $seed;

my $VASSALS = "/etc/uwsgi/vassals";
my $TARGETS = "/etc/uwsgi/targets";
my $CHANGES = 40;
my $LIMIT   = 60;
my @names   = map { "s$_" } 1 .. 25;
# The version that each vassal's file has; it is in the name of the vassal's process.
my %wanted;
my $version = 0;

sub text {
    my ($version) = @_;
    my $text = "[uwsgi]\nuid = nobody\ngid = nogroup\n";
    $text .= "hook-as-root = exec:true\n" if rand() < 0.3;
    $text .= "[Service]\nNice=" . int(rand 5) . "\n" if rand() < 0.2;
    my $app = "exec -a app-$version /usr/bin/sleep infinity";
    # Its stop takes a while.
    $app = "trap \"sleep 0.3; exit\" TERM; ($app) & wait" if rand() < 0.3;
    return "$text\[vassal]\ncommand = exec /bin/bash -c '$app'\n";
}

sub put {
    my ($path, $text, $pause) = @_;
    open(my $file, ">", $path) or die "$path: $!\n";
    $file->autoflush(1);
    my $part = $pause ? int rand length $text : 0;
    print $file substr($text, 0, $part);
    sleep $pause if $pause;
    print $file substr($text, $part);
    close $file;
}

sub content {
    my ($path) = @_;
    open(my $file, "<", $path) or return "";
    local $/;
    return scalar(<$file>) // "";
}

sub system_quietly { system "$_[0] >/dev/null 2>&1" }

# Each with how likely it is to happen when its turn comes.
my %changes = (
    write  => [1, sub { my $n = shift; put("$VASSALS/$n.ini", text(++$version)); $wanted{$n} = $version }],
    slow   => [1, sub { my $n = shift; put("$VASSALS/$n.ini", text(++$version), rand 0.3); $wanted{$n} = $version }],
    rename => [1, sub {
        my $n = shift;
        put("$VASSALS/.$n", text(++$version));
        rename "$VASSALS/.$n", "$VASSALS/$n.ini";
        $wanted{$n} = $version;
    }],
    link => [1, sub {
        my $n = shift;
        put("$TARGETS/" . ++$version, text($version));
        unlink "$VASSALS/$n.ini";
        symlink "$TARGETS/$version", "$VASSALS/$n.ini";
        $wanted{$n} = $version;
    }],
    remove => [1, sub { my $n = shift; unlink "$VASSALS/$n.ini"; delete $wanted{$n} }],
    flash  => [0.4, sub { my $n = shift; put("$VASSALS/$n.ini", text(++$version)); unlink "$VASSALS/$n.ini"; delete $wanted{$n} }],
    touch  => [1, sub { my $n = shift; utime undef, undef, "$VASSALS/$n.ini" if $wanted{$n} }],
    break  => [1, sub {
        my $n = shift;
        return unless $wanted{$n};
        my $good = content("$VASSALS/$n.ini");
        put("$VASSALS/$n.ini", "[uwsgi]\nuid = nosuchuser\n");
        sleep rand 0.2;
        put("$VASSALS/$n.ini", $good);
    }],
    swap => [1, sub {
        my ($n, $m) = (shift, $names[rand @names]);
        return if $n eq $m || !$wanted{$n} || !$wanted{$m};
        rename "$VASSALS/$n.ini", "$VASSALS/.swap";
        rename "$VASSALS/$m.ini", "$VASSALS/$n.ini";
        rename "$VASSALS/.swap",  "$VASSALS/$m.ini";
        @wanted{$n, $m} = @wanted{$m, $n};
    }],
    directory => [0.02, sub { system_quietly("cd /; cp -a $VASSALS $VASSALS.new && mv $VASSALS $VASSALS.old && mv $VASSALS.new $VASSALS && rm -r $VASSALS.old") }],
    kill      => [0.15, sub { system_quietly("pkill -KILL -x vassal-emperor") }],
    restart   => [0.1,  sub { system_quietly("systemctl restart vassal-emperor") }],
    stop      => [0.1,  sub { system_quietly("systemctl stop vassal-emperor") }],
    start     => [0.3,  sub { system_quietly("systemctl start vassal-emperor") }],
    reload    => [0.15, sub { system_quietly("systemctl daemon-reload") }],
    reexec    => [0.1,  sub { system_quietly("systemctl daemon-reexec") }],
    leave     => [0.1,  sub { system_quietly("perl /root/leave_the_bus.pl") }],
    bus       => [0.05, sub { system_quietly("systemctl restart dbus.service") }],
);

# What is not as the files say.
sub wrong {
    my (%apps, @wrong);
    for my $process (glob "/proc/[0-9]*") {
        my ($version) = content("$process/cmdline") =~ /^app-(\d+)\0/ or next;
        my ($name) = content("$process/cgroup") =~ /vassal\@(\w+)\.service/;
        $apps{$name // "none"}{$version} = 1;
    }
    for my $name (@names) {
        my $runs = join ",", sort keys %{ $apps{$name} // {} };
        my $wanted = $wanted{$name} // "";
        push @wrong, "$name runs version '$runs' and not '$wanted'" if $runs ne $wanted;
    }
    for (split /\n/, `systemctl list-units --all --no-legend --plain 'vassal\@*'`) {
        my ($name) = /vassal\@(\w+)\./ or next;
        push @wrong, "$name has a unit and no file" unless $wanted{$name};
    }
    return @wrong;
}

mkdir $TARGETS;
for my $name (@names) {
    my ($before) = content("$VASSALS/$name.ini") =~ /app-(\d+)/ or next;
    $wanted{$name} = $before;
}
# No version comes twice.
$version = int(time * 1000);

my @done;
while (@done < $CHANGES) {
    my $change = (sort keys %changes)[rand keys %changes];
    my ($chance, $make) = @{ $changes{$change} };
    next if rand() >= $chance;
    my $name = $names[rand @names];
    push @done, sprintf("%.3f %s %s", time, $change, $name);
    $make->($name);
    sleep rand 0.1 if rand() < 0.5;
}
system_quietly("systemctl start vassal-emperor");
my $begun = time;
my @wrong;
while (@wrong = wrong()) {
    last if time > $begun + $LIMIT;
    sleep 0.3;
}
if (@wrong) {
    print map { "$_\n" } "seed $seed:", @wrong, @done;
    print `journalctl --unit=vassal-emperor --lines=100 --no-pager --output=short-precise`;
    exit 1;
}
printf "%d vassals, as the files say after %.1f s\n", scalar keys %wanted, time - $begun;
