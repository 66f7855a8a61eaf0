# The traced vassals' app: says what the process is that loads it, which is uWSGI's.
package main;
require '/srv/trace/at';
trace($ENV{TRACE}, 'app');
sub { [200, ['Content-Type' => 'text/plain'], ["traced\n"]] };
